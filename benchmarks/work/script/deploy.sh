# A deploy of what was pushed to the bare repository. Needs: $name, $release
set -eu
cd "/srv/$name"
mkdir "releases/$release"
git --git-dir=app.git archive main | tar -x -C "releases/$release"
./require "releases/$release/requirements.txt"
ln -sfn "releases/$release" next
mv -T next current
./reload
ls -r releases | tail -n +6 | while read -r old; do rm -r "releases/$old"; done
