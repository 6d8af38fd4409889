#include "script/lib.h"
void lib_file_register(lua_State *L) { (void)L; }
