#include "spool/ledger.h"
#include "spool/drop/submit.h"
