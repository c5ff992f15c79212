#include "thrust/vectors.h"
