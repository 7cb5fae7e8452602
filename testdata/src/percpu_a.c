/* Variables: per-CPU ones of every shape, and all those that are no per-CPU variables. */
#define percpu __attribute__((section(".data..percpu")))
#define used __attribute__((used))

struct pc_state {
	long count;
	struct pc_state *next;
	unsigned flag : 1;
};

/* The first one: offset 0 in its section. */
__attribute__((section(".data..percpu..first"))) struct pc_state pc_first = { 1 };
percpu int pc_int = 2;
static percpu used long pc_static = 3;
percpu char pc_array[13] = { 4 };
percpu struct pc_state *pc_pointer = 0;
percpu volatile unsigned char pc_byte = 6;
percpu __attribute__((aligned(64))) struct pc_state pc_aligned = { 7 };
__attribute__((weak)) percpu int pc_weak = 8;
percpu enum { PC_ENUM_A, PC_ENUM_B } pc_enum = PC_ENUM_B;
percpu void (*pc_function)(int) = 0;
percpu struct { int anonymous; } pc_anonymous = { 9 };

/* Nothing to describe: no size. */
percpu struct pc_empty { } pc_empty;
percpu int pc_zero_length[0];

/* Names that the kernel's macros make and nobody wants to see. */
percpu used int __UNIQUE_ID_pc = 10;
percpu used int __tpstrtab_pc = 11;
percpu used int __exitcall_pc = 12;
percpu used int __gendwarfksyms_ptr_pc = 13;
percpu used int __func_stack_frame_non_standard_pc = 14;
/* These only look like them. */
percpu int UNIQUE_ID_pc = 15;
percpu int pc__UNIQUE_ID = 16;

/* Declared here, defined in the other unit. */
extern percpu int pc_other;
extern percpu struct pc_state pc_other_state;
/* Declared, and nowhere defined; only its address is taken, weakly. */
extern __attribute__((weak)) int pc_undefined;

/* A section whose name begins like the right one. */
__attribute__((section(".data..percpu..shared"))) int pc_shared = 17;
__attribute__((section(".data..read_mostly"))) int pc_read_mostly = 18;

/* Ordinary variables. */
int pc_global_data = 19;
int pc_global_bss;
static used int pc_global_static = 20;
const int pc_global_const = 21;
int *pc_addresses[] = { &pc_other, &pc_undefined, (int *)&pc_other_state };

int pc_local(void)
{
	static percpu int pc_local_static = 22;
	static int pc_local_ordinary = 23;
	int on_stack = pc_local_static + pc_local_ordinary;

	pc_local_static += 1;
	pc_local_ordinary += pc_local_static;
	return on_stack;
}

/* Written to a section that the linker script throws away: address 0 in DWARF. */
__attribute__((section(".discard.percpu"))) int pc_discarded = 24;
