#include "agent/queue/scheduler.h"
