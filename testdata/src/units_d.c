/* Types spread over units, unit D: no type of its own, only what the others have. */
#include "units.h"

static __attribute__((noinline)) int un_static_helper(un_shared_ptr p)
{
	__asm__ volatile("" : : "r"(p) : "memory");
	return p->id;
}

int un_function_d(un_shared_ptr p)
{
	return un_static_helper(p);
}
