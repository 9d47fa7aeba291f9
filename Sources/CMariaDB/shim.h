// libmariadb (MariaDB Connector/C), with what Swift cannot import: macros of errors and a variadic-like setter.
#ifndef MARTLET_CMARIADB_H
#define MARTLET_CMARIADB_H
#include <mysql.h>
#include <errmsg.h>
#endif
