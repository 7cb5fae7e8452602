/* clang's BTF attributes: type tags on pointers, declaration tags on everything that takes them. */
#define type_tag(x) __attribute__((btf_type_tag(x)))
#define decl_tag(x) __attribute__((btf_decl_tag(x)))

#define user type_tag("user")
#define rcu type_tag("rcu")

struct tg_target {
	int value;
};

int user *tg_user;
int user rcu *tg_two;
struct tg_target rcu *tg_rcu_struct;
const struct tg_target user *tg_const;
int user *rcu *tg_chain;
void user *tg_void;
typedef int user *tg_user_t;
tg_user_t tg_typedef_pointer;
int user *tg_array[4];
void (*tg_function_pointer)(int user *);

struct decl_tag("tg_struct_tag") tg_struct {
	int plain;
	int tagged decl_tag("tg_member_tag");
	int twice decl_tag("tg_member_first") decl_tag("tg_member_second");
	struct tg_target user *pointer decl_tag("tg_member_pointer");
	unsigned bits : 3 decl_tag("tg_member_bits");
} tg_struct;

union decl_tag("tg_union_tag") tg_union {
	int i;
	float f decl_tag("tg_union_member_tag");
} tg_union;

typedef struct { int x; } tg_typedef decl_tag("tg_typedef_tag");
tg_typedef tg_typedef_user;

int tg_variable decl_tag("tg_variable_tag");
__attribute__((section(".data..percpu"))) int tg_percpu decl_tag("tg_percpu_tag") = 1;
__attribute__((section(".data..percpu"))) int user *tg_percpu_pointer decl_tag("tg_percpu_first") decl_tag("tg_percpu_second") = 0;

decl_tag("tg_function_tag") int tg_function(int first, int second decl_tag("tg_parameter_tag"), int user *third)
{
	__asm__ volatile("" : : "r"(third) : "memory");
	return first + second;
}

/* A tag of 200 characters. */
#define ten "0123456789"
decl_tag(ten ten ten ten ten ten ten ten ten ten ten ten ten ten ten ten ten ten ten ten)
int tg_long_tag(int n)
{
	return n;
}

/* Inlined into tg_caller and emitted: the tag sits on the abstract instance. */
decl_tag("tg_inlined_tag") int tg_inlined(int n)
{
	return n * 7;
}

int tg_caller(int n)
{
	return tg_inlined(n) + 1;
}
