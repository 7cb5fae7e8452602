/* A function in a function, an extension of gcc: its DIE is a child of the outer one's, its symbol
 * has a suffix. */
#include "functions.h"

int fn_has_nested(int n)
{
	int captured = n * 2;
	noinline int fn_nested(int m)
	{
		barrier(m);
		return m + captured;
	}
	barrier(&captured);
	return fn_nested(n);
}
