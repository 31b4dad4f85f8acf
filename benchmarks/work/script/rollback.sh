# Back to the release before the current one. Needs: $name
set -eu
cd "/srv/$name"
current=$(basename "$(readlink current)")
before=$(ls releases | grep -B1 -x "$current" | head -n1)
[ "$before" != "$current" ]
ln -sfn "releases/$before" next
mv -T next current
./reload
# So that nobody goes back to it.
rm -rf left && mv "releases/$current" left
