# Capistrano's own tasks, and the two that a Python app needs: its requirements, and a reload.
set :repo_url, -> { "file://#{fetch(:deploy_to)}/app.git" }
set :branch, "main"
set :keep_releases, 5

namespace :deploy do
  task :requirements do
    on roles(:app) do
      execute "#{deploy_to}/require", release_path.join("requirements.txt")
    end
  end

  task :reload do
    on roles(:app) do
      execute "#{deploy_to}/reload"
    end
  end

  after :updated, :requirements
  after :publishing, :reload
end
