/* Functions, first half: linkage, inlining, clones, parameters in registers and on the stack.
 * EXPECTED.md says which of them belong into BTF, and why. */
#include "functions.h"

int fn_sink;

/* --- linkage and inlining --- */

int fn_external(int a, long b)
{
	return a + (int)b;
}

static noinline int fn_static(struct fn_point *p)
{
	barrier(p);
	return p->x;
}

static inline __attribute__((always_inline)) int fn_only_inlined(int x)
{
	return x * 5;
}

int fn_inlined_and_emitted(int x)
{
	barrier(x);
	return x + fn_sink;
}

void fn_nothing(void)
{
}

__attribute__((noreturn)) void fn_noreturn(int code)
{
	for (;;)
		barrier(code);
}

int fn_variadic(const char *format, ...)
{
	return *format;
}

int fn_old_style()
{
	return fn_sink;
}

int fn_old_style_params(a, b)
	int a;
	char *b;
{
	return a + *b;
}

/* C23: a parameter without a name. */
int fn_unnamed_param(int a, int)
{
	return a;
}

static noinline int fn_call_me(int (*callback)(int), int n)
{
	barrier(n);
	return callback(n);
}

/* --- parameters --- */

int fn_unused_param(int a, int unused, int c)
{
	return a - c;
}

int fn_ten_params(int a, int b, int c, int d, int e, int f, int g, int h, int i, int j)
{
	return a + b * 2 + c * 3 + d * 4 + e * 5 + f * 6 + g * 7 + h * 8 + i * 9 + j;
}

int fn_struct_by_value(struct fn_point p, int after)
{
	return p.x + p.y + after;
}

long fn_large_by_value(struct fn_large l, int after)
{
	return l.words[4] + l.tail + after;
}

struct fn_point fn_returns_struct(int x)
{
	struct fn_point p = { x, x + 1 };
	return p;
}

/* Passed in memory, so `after` is in the first register. */
long fn_union_by_value(union fn_union_large u, int after)
{
	return u.words[0] + after;
}

float fn_float(float a)
{
	return -a;
}

int fn_mixed_float(int a, double b, int c)
{
	barrier(&b);
	return a + c;
}

int fn_float_and_struct(double a, struct fn_point p)
{
	barrier(&a);
	return p.y;
}

int fn_packed_first(struct fn_packed p)
{
	return p.wide;
}

/* Where a packed struct lies among the arguments on the stack cannot be told from its type. */
int fn_packed_on_stack(long a, long b, long c, long d, long e, long f, long g, long h, struct fn_packed p, long i)
{
	return (int)(a + b + c + d + e + f + g + h + i) + p.wide;
}

int fn_plain_on_stack(long a, long b, long c, long d, long e, long f, long g, long h, struct fn_point p, long i)
{
	return (int)(a + b + c + d + e + f + g + h + i) + p.x;
}

#ifdef __SIZEOF_INT128__
long fn_int128(__int128 wide, int after)
{
	return (long)(wide >> 64) + after;
}
#endif

/* --- clones: a parameter that is always 7, a pointer of which one field is read --- */

static noinline int fn_constprop(int *a, int factor)
{
	barrier(a);
	return *a * factor;
}

static noinline int fn_isra(struct fn_large *l)
{
	return (int)l->words[3] * 3;
}

/* Two parameters are always the same: gcc lists those last in the clone's DIE. */
static noinline int fn_reordered(int first, int *a, int second)
{
	barrier(a);
	return *a * first + second;
}

/* A short test that is inlined and a long rest that is not. Of the first only fn_part.part.0 is left,
 * of the second both parts. */
#define two_parts(p) \
	if (!p) \
		return; \
	for (int i = 0; i < 100; i++) { \
		fn_sink += p[i] * i; \
		barrier(p); \
		fn_sink ^= p[i + 1] << (i & 7); \
		barrier(p); \
		fn_sink -= p[i + 2] & (i + 3); \
		barrier(p); \
	}

static void fn_part(int *p)
{
	two_parts(p)
}

void fn_part_extern(int *p)
{
	two_parts(p)
	fn_sink++;
}

extern __attribute__((cold, noreturn)) void fn_panic(int);

/* The unlikely half moves to fn_cold.cold; the DIE has ranges instead of one start. */
int fn_cold(int n)
{
	if (n < 0) {
		fn_sink = n;
		fn_panic(n * 3);
	}
	return n + fn_sink;
}

/* The clone's suffix by hand, so that every compiler has it: all parameters are where the
 * calling convention wants them. */
extern int fn_hand_isra(int a, int b) __asm__("fn_hand_isra.isra.0");
int fn_hand_isra(int a, int b)
{
	return a * b;
}

/* A function and a clone of it beside each other: two addresses for one name. */
extern int fn_twin_clone(int a) __asm__("fn_twin.constprop.0");
int fn_twin_clone(int a)
{
	return a + 100;
}

int fn_twin(int a, int b)
{
	return a + b;
}

/* A suffix that means nothing to an encoder. */
extern int fn_suffixed(int a) __asm__("fn_suffixed.llvm.1234");
int fn_suffixed(int a)
{
	return a + 1000;
}

/* The symbol bears another name than the DIE. */
extern int fn_renamed(int a) __asm__("fn_renamed_symbol");
int fn_renamed(int a)
{
	return a + 2000;
}

/* --- aliases --- */

int fn_aliased(int a)
{
	return a - 1;
}
extern int fn_alias_weak(int a) __attribute__((weak, alias("fn_aliased")));
extern int fn_alias_strong(int a) __attribute__((alias("fn_aliased")));

/* Weak here, strong in the other half; the DIE of this one stays. */
__attribute__((weak)) int fn_weak_same(int a)
{
	return a;
}

__attribute__((weak)) int fn_weak_differs(int a)
{
	return a;
}

__attribute__((weak)) int fn_weak_const(const struct fn_point *p)
{
	return p->x;
}

__attribute__((weak)) int fn_weak_const_void(const void *p)
{
	return *(const int *)p;
}

__attribute__((weak)) int fn_weak_param_names(int here, int there)
{
	return here - there;
}

__attribute__((weak)) int fn_weak_return(int a)
{
	return a;
}

/* --- the same static name in both halves --- */

static noinline int dup_same(int x)
{
	barrier(x);
	return x + 1;
}

static noinline int dup_differs(int x)
{
	barrier(x);
	return x + 2;
}

static noinline int zz_dup_last(int x)
{
	barrier(x);
	return x + 3;
}

/* --- one name, function and type and variable --- */

struct fn_same_name {
	int value;
};

int fn_same_name(struct fn_same_name *fn_same_name)
{
	return fn_same_name->value;
}

static int fn_callback(int n)
{
	return n + 7;
}

int fn_use_all_a(struct fn_point *p, struct fn_large *l, int *a)
{
	int sum = 0;

	sum += fn_static(p);
	sum += fn_only_inlined(p->x);
	sum += fn_inlined_and_emitted(p->y);
	sum += fn_call_me(fn_callback, p->x);
	sum += fn_constprop(a, 7);
	sum += fn_constprop(a + 1, 7);
	sum += fn_isra(l);
	sum += fn_isra(l + 1);
	sum += fn_reordered(3, a, 4);
	sum += fn_reordered(3, a + 1, 4);
	fn_part(a);
	fn_part(a + 1);
	fn_part(a + sum);
	fn_part_extern(a);
	fn_part_extern(a + 1);
	sum += dup_same(sum);
	sum += dup_differs(sum);
	sum += zz_dup_last(sum);
	sum += dup_inline(sum);
	return sum;
}
