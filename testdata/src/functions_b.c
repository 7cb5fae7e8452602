/* Functions, second half: names that the first half has too, with equal and other prototypes. */
#include "functions.h"

extern int fn_inlined_and_emitted(int x);
extern int fn_external(int a, long b);

extern __attribute__((cold, noreturn)) void fn_panic(int);
__attribute__((cold, noreturn)) void fn_panic(int n)
{
	for (;;)
		barrier(n);
}

int fn_weak_same(int a)
{
	return a + 1;
}

int fn_weak_differs(long a)
{
	return (int)a + 1;
}

int fn_weak_const(struct fn_point *p)
{
	return p->y;
}

int fn_weak_const_void(void *p)
{
	return *(int *)p + 1;
}

int fn_weak_param_names(int first, int second)
{
	return first + second;
}

long fn_weak_return(int a)
{
	return a + 1;
}

static noinline int dup_same(int x)
{
	barrier(x);
	return x + 10;
}

static noinline long dup_differs(long x, char *other)
{
	barrier(x);
	return x + *other;
}

static noinline int zz_dup_last(int x)
{
	barrier(x);
	return x + 30;
}

/* Emitted out of line here, because its address is taken; inlined in the first half. */
int (*volatile fn_taken)(int) = dup_inline;

int fn_use_all_b(char *p)
{
	int sum = dup_same(*p);

	sum += (int)dup_differs(sum, p);
	sum += zz_dup_last(sum);
	sum += fn_external(sum, 2);
	return sum + fn_inlined_and_emitted(sum);
}
