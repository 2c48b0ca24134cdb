#include "agent/seams.h"
