#include "script/observer.h"
void observer_init(struct script *s) { (void)s; }
