"""The files of an app on a host: releases, variables, logs of migrations, archives, passwords."""
