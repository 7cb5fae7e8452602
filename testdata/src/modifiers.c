/* Pointers, const, volatile, restrict and typedefs, alone and stacked in every order. */

struct mod_target {
	int value;
};

void *mod_void_ptr;
const void *mod_const_void_ptr;
volatile void *mod_volatile_void_ptr;
const volatile void *mod_const_volatile_void_ptr;
void *const mod_void_const_ptr = 0;
int *mod_int_ptr;
int **mod_int_ptr_ptr;
int ***mod_int_ptr_ptr_ptr;
const int mod_const_int = 1;
volatile int mod_volatile_int;
const volatile int mod_const_volatile_int = 2;
const int *const volatile *mod_stack;
const struct mod_target *mod_const_struct_ptr;
struct mod_target *volatile mod_volatile_ptr;
const int mod_const_array[4] = { 1, 2, 3, 4 };
volatile struct mod_target mod_volatile_struct_array[2];

typedef int mod_t1;
typedef mod_t1 mod_t2;
typedef mod_t2 mod_t3;
typedef const mod_t3 mod_t4;
typedef volatile mod_t4 mod_t5;
typedef mod_t5 *mod_t6;
typedef void mod_void_t;
typedef const mod_void_t mod_const_void_t;
typedef struct mod_target mod_struct_t;
typedef struct { int x; } mod_anon_struct_t;
typedef union { int x; float y; } mod_anon_union_t;
typedef enum { MOD_A, MOD_B } mod_anon_enum_t;
typedef int mod_array_t[3];
typedef int (*mod_fn_ptr_t)(mod_struct_t *, mod_t3);
typedef int mod_fn_t(mod_struct_t *, mod_t3);

mod_t3 mod_chain;
mod_t6 mod_cv_chain;
mod_void_t *mod_void_chain;
mod_const_void_t *mod_const_void_chain;
mod_struct_t mod_struct;
mod_anon_struct_t mod_anon_struct;
mod_anon_union_t mod_anon_union;
mod_anon_enum_t mod_anon_enum;
const mod_array_t mod_const_typedef_array = { 1, 2, 3 };
mod_fn_ptr_t mod_fn_ptr;
mod_fn_t *mod_fn_typedef_ptr;
const mod_fn_ptr_t mod_const_fn_ptr = 0;

/* A typedef and a struct that share their name. */
typedef struct mod_same mod_same;
struct mod_same {
	mod_same *next;
};
mod_same mod_same_name;

int mod_restrict(int *restrict to, const int *restrict from, char *const restrict last)
{
	*to = *from;
	return *last;
}
