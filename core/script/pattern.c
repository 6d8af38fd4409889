#include "script/pattern.h"
void pattern_register(lua_State *L) { (void)L; }
