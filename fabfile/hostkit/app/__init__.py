"""Files of an app on a host: releases, variables, migrations, archives, passwords."""
