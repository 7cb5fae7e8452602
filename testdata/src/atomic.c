/* _Atomic: its DWARF tag (DW_TAG_atomic_type) has no BTF kind. */

struct atomic_holder {
	_Atomic int counter;
	_Atomic(struct atomic_holder *) next;
	int _Atomic *pointer;
};

_Atomic long atomic_long;
const _Atomic unsigned atomic_const = 1;
typedef _Atomic int atomic_int_t;
atomic_int_t atomic_typedef;
struct atomic_holder atomic_holder;

int atomic_read(const _Atomic int *a)
{
	return *(const int *)a;
}
