#include "transport/client/client.h"
