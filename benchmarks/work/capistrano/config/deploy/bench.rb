# The hosts, as the benchmark has written them down.
require "json"

bench = JSON.parse(File.read("hosts.json"), symbolize_names: true)
set :application, bench[:application]
set :deploy_to, "/srv/#{bench[:application]}"
bench[:hosts].each { |host| server host[:name], **host[:properties], roles: %w[app] }
set :ssh_options, config: false, keys_only: true, keys: [bench[:key]], user_known_hosts_file: bench[:known_hosts]
