/* mail.file: files under the paths that the plugin's options name ({ "file" }).  All of it waits
 * on the thread pool; failures are nil, a text and a word: notfound, exists, denied, nospace, busy
 * or io. */
#include "script/lib.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <lauxlib.h>

#include "base/mem.h"
#include "hook/message.h"
#include "script/files.h"
#include "script/job.h"
#include "script/plugin.h"
#include "script/resource.h"
#include "script/state.h"
#include "script/view.h"

enum { READ_MAX = 64 * 1024 * 1024, PIECES_MAX = 64 };

static const char lock_metatable[] = "moonpost.Lock";

struct file_job { struct job job; struct files_request request; void (*run)(struct files_request *r); };

static void run(struct job *j)
{
	struct file_job *f = (struct file_job *)j;

	f->run(&f->request);
}

static void clear(struct job *j)
{
	files_clear(&((struct file_job *)j)->request);
}

static struct file_job *file_job(lua_State *L, const char *what,
                                 void (*fn)(struct files_request *r))
{
	struct file_job *f = job_new(L, sizeof(*f), run, clear, what);

	f->run = fn;
	f->request.fd = -1;
	buf_init(&f->request.out, READ_MAX);
	return f;
}

/* A path the plugin may touch. */
static const char *check_path(lua_State *L, int index)
{
	struct call *c = script_of(L)->current;
	size_t len;
	const char *path = luaL_checklstring(L, index, &len);

	luaL_argcheck(L, strlen(path) == len && len > 0, index, "not a path");
	if (c && !plugin_may_touch(c->plugin, path))
		luaL_error(L, "mail.file: %s lies outside of the paths that the plugin's options name with "
		           "{ \"file\" }", path);
	return path;
}

static int fail(lua_State *L, const struct files_request *r)
{
	static const struct { int error; const char *word; } words[] = {
		{ ENOENT, "notfound" }, { EEXIST, "exists" }, { EACCES, "denied" }, { EPERM, "denied" },
		{ ENOSPC, "nospace" }, { EDQUOT, "nospace" }, { EWOULDBLOCK, "busy" },
	};
	const char *word = "io";

	for (size_t i = 0; i < COUNT_OF(words); i++)
		if (words[i].error == r->error)
			word = words[i].word;
	lua_pushnil(L);
	lua_pushfstring(L, "%s: %s", r->failed ? r->failed : r->path ? r->path : "?",
	                strerror(r->error));
	lua_pushstring(L, word);
	return 3;
}

static const struct files_request *result(lua_State *L)
{
	return &((struct file_job *)job_result(L))->request;
}

/* true, or the failure */
static int when_done(lua_State *L, int status, lua_KContext context)
{
	const struct files_request *r = result(L);

	(void)status, (void)context;
	if (r->error)
		return fail(L, r);
	lua_pushboolean(L, 1);
	return 1;
}

static bool flag(lua_State *L, int index, const char *name)
{
	bool yes;

	if (!lua_istable(L, index))
		return false;
	lua_getfield(L, index, name);
	yes = lua_toboolean(L, -1);
	lua_pop(L, 1);
	return yes;
}

/* ---- reading ---- */

static int when_read(lua_State *L, int status, lua_KContext context)
{
	const struct files_request *r = result(L);

	(void)status, (void)context;
	if (r->error)
		return fail(L, r);
	lib_push_slice(L, buf_slice(&r->out));
	return 1;
}

/* file.read(path, offset, max, { crlf = }) -> octets, "" at the end; at most 64 MiB at a time.
 * crlf: of the text with CRLF line ends */
static int l_read(lua_State *L)
{
	const char *path = check_path(L, 1);
	lua_Integer offset = luaL_optinteger(L, 2, 0), max = luaL_optinteger(L, 3, READ_MAX);
	struct file_job *f;

	luaL_argcheck(L, offset >= 0, 2, "an offset is 0 or more");
	luaL_argcheck(L, max >= 1 && max <= READ_MAX, 3, "1 octet to 64 MiB at a time");
	f = file_job(L, "mail.file.read", files_read);
	f->request.path = mem_strdup(path);
	f->request.offset = (uint64_t)offset;
	f->request.max = (uint64_t)max;
	f->request.crlf = flag(L, 4, "crlf");
	return job_submit(L, &f->job, when_read);
}

static int when_stat(lua_State *L, int status, lua_KContext context)
{
	const struct files_request *r = result(L);

	(void)status, (void)context;
	if (r->error)
		return fail(L, r);
	lua_createtable(L, 0, 4);
	if (r->crlf) {
		lua_pushinteger(L, (lua_Integer)r->crlf_octets);
		lua_setfield(L, -2, "crlf_size");
	}
	lua_pushinteger(L, (lua_Integer)r->stat.st_size);
	lua_setfield(L, -2, "size");
	lua_pushnumber(L, (lua_Number)r->stat.st_mtim.tv_sec + (lua_Number)r->stat.st_mtim.tv_nsec / 1e9);
	lua_setfield(L, -2, "mtime");
	lua_pushstring(L, S_ISDIR(r->stat.st_mode) ? "directory" : "file");
	lua_setfield(L, -2, "kind");
	return 1;
}

static int submit_path(lua_State *L, const char *what, void (*fn)(struct files_request *r),
                       lua_KFunction k)
{
	const char *path = check_path(L, 1);
	struct file_job *f = file_job(L, what, fn);

	f->request.path = mem_strdup(path);
	return job_submit(L, &f->job, k);
}

/* file.stat(path, { crlf = }) -> { size, mtime, kind }; crlf: crlf_size too, which reads the file */
static int l_stat(lua_State *L)
{
	const char *path = check_path(L, 1);
	bool crlf = flag(L, 2, "crlf");
	struct file_job *f = file_job(L, "mail.file.stat", files_stat);

	f->request.path = mem_strdup(path);
	f->request.crlf = crlf;
	return job_submit(L, &f->job, when_stat);
}

static int when_listed(lua_State *L, int status, lua_KContext context)
{
	const struct files_request *r = result(L);
	struct slice rest, name;
	lua_Integer i = 0;

	(void)status, (void)context;
	if (r->error)
		return fail(L, r);
	lua_newtable(L);
	rest = buf_slice(&r->out);
	while (rest.len && slice_cut(&rest, '\0', &name) == ST_OK) {
		lib_push_slice(L, name);
		lua_rawseti(L, -2, ++i);
	}
	return 1;
}

/* file.list(path) -> names in no order */
static int l_list(lua_State *L)
{
	return submit_path(L, "mail.file.list", files_list, when_listed);
}

/* ---- writing ---- */

/* A string, { mbox = string } or a message, at index, as a piece of its own: what runs on the
 * thread owns its bytes. */
static void take_piece(lua_State *L, int index, struct files_request *r)
{
	struct message *m = view_message(L, index);
	struct files_piece *p = &r->pieces[r->piece_count];
	struct slice s = SLICE_NONE;

	p->fd = -1;
	if (m && m->fd >= 0) {
		p->fd = fcntl(m->fd, F_DUPFD_CLOEXEC, 0);
		if (p->fd < 0)
			luaL_error(L, "mail.file.write: too many open files");
		r->piece_count++;
		return;
	}
	if (m) {
		s = buf_slice(&m->memory);
	} else if (lua_istable(L, index)) {
		p->mbox = true;
		lua_getfield(L, index, "mbox");
		s.ptr = luaL_checklstring(L, -1, &s.len);
		lua_pop(L, 1);
	} else {
		s.ptr = luaL_checklstring(L, index, &s.len);
	}
	p->octets = mem_slice_dup(s);
	p->len = s.len;
	r->piece_count++;
}

/* file.write(path, data, { append =, exclusive =, sync = }); data: a string, a message or a list
 * of them and of { mbox = string }, which is written as mboxrd */
static int l_write(lua_State *L)
{
	const char *path = check_path(L, 1);
	struct file_job *f = file_job(L, "mail.file.write", files_write);
	struct files_request *r = &f->request;
	unsigned count = lua_istable(L, 2) ? (unsigned)lua_rawlen(L, 2) : 1;

	luaL_argcheck(L, count <= PIECES_MAX, 2, "at most 64 pieces");
	r->path = mem_strdup(path);
	r->append = flag(L, 3, "append");
	r->exclusive = flag(L, 3, "exclusive");
	r->sync = flag(L, 3, "sync");
	r->pieces = mem_array(count, sizeof(*r->pieces));
	for (unsigned i = 0; i < count; i++) {
		if (lua_istable(L, 2))
			lua_rawgeti(L, 2, (lua_Integer)i + 1);
		else
			lua_pushvalue(L, 2);
		take_piece(L, lua_gettop(L), r);
		lua_pop(L, 1);
	}
	return job_submit(L, &f->job, when_done);
}

/* file.rename(from, to, { sync = }) */
static int l_rename(lua_State *L)
{
	const char *from = check_path(L, 1), *to = check_path(L, 2);
	bool sync = flag(L, 3, "sync");
	struct file_job *f = file_job(L, "mail.file.rename", files_rename);

	f->request.path = mem_strdup(from);
	f->request.other = mem_strdup(to);
	f->request.sync = sync;
	return job_submit(L, &f->job, when_done);
}

/* file.remove(path), or a list of paths, where one that is missing does not matter */
static int l_remove(lua_State *L)
{
	struct file_job *f;
	size_t count;

	if (!lua_istable(L, 1))
		return submit_path(L, "mail.file.remove", files_remove, when_done);
	count = lua_rawlen(L, 1);
	f = file_job(L, "mail.file.remove", files_remove);
	f->request.paths = mem_array(count + 1, sizeof(char *));
	for (size_t i = 0; i < count; i++) {
		lua_rawgeti(L, 1, (lua_Integer)i + 1);
		f->request.paths[i] = mem_strdup(check_path(L, lua_gettop(L)));
		lua_pop(L, 1);
	}
	return job_submit(L, &f->job, when_done);
}

static int l_mkdir(lua_State *L)
{
	return submit_path(L, "mail.file.mkdir", files_mkdir, when_done);
}

static int l_sync(lua_State *L)
{
	return submit_path(L, "mail.file.sync", files_sync, when_done);
}

/* ---- locks ---- */

struct lock { struct resource *resource; int fd; };

static int l_unlock(lua_State *L)
{
	struct lock *lock = luaL_checkudata(L, 1, lock_metatable);

	if (lock->fd >= 0)
		close(lock->fd);
	lock->fd = -1;
	resource_close(&lock->resource);
	return 0;
}

static void push_lock(lua_State *L)
{
	static const luaL_Reg methods[] = {
		{ "close", l_unlock }, { "__gc", l_unlock }, { "__close", l_unlock }, { NULL, NULL },
	};
	struct lock *lock = lua_newuserdatauv(L, sizeof(*lock), 0);

	*lock = (struct lock){ NULL, -1 };
	if (luaL_newmetatable(L, lock_metatable)) {
		luaL_setfuncs(L, methods, 0);
		lua_pushvalue(L, -1);
		lua_setfield(L, -2, "__index");
		lua_pushboolean(L, 0);
		lua_setfield(L, -2, "__metatable");
	}
	lua_setmetatable(L, -2);
}

/* The lock's userdata was made before the wait and stands at index 2. */
static int when_locked(lua_State *L, int status, lua_KContext context)
{
	struct files_request *r = &((struct file_job *)job_result(L))->request;
	struct lock *lock;

	(void)status, (void)context;
	if (r->error)
		return fail(L, r);
	lock = luaL_checkudata(L, 2, lock_metatable);
	lock->fd = r->fd;
	r->fd = -1;
	lock->resource = resource_open(L, "lock");
	lua_pushvalue(L, 2);
	return 1;
}

/* file.lock(path) -> a lock, held until lock:close(); nil, text, "busy" when somebody has it */
static int l_lock(lua_State *L)
{
	const char *path = check_path(L, 1);
	struct file_job *f;

	lua_settop(L, 1);
	push_lock(L);
	f = file_job(L, "mail.file.lock", files_lock);
	f->request.path = mem_strdup(path);
	return job_submit(L, &f->job, when_locked);
}

void lib_file_register(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{ "read", l_read }, { "stat", l_stat }, { "list", l_list }, { "write", l_write },
		{ "rename", l_rename }, { "remove", l_remove }, { "mkdir", l_mkdir }, { "sync", l_sync },
		{ "lock", l_lock }, { NULL, NULL },
	};

	luaL_newlib(L, functions);
	lua_setfield(L, -2, "file");
}
