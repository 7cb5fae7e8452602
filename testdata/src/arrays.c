/* Arrays: dimensions, flexible, zero length, variable length, of structs, of arrays by typedef,
 * pointers to arrays, vectors. */

struct array_cell {
	int x, y;
};

int array_one[7];
int array_three[3][4][5];
char array_single[1];
char array_large[1 << 20];
int array_zero[0];
int array_zero_inner[3][0];
struct array_cell array_structs[5];
struct array_cell *array_pointers[6];
struct array_cell (*array_pointer_to)[8];
int (*array_of_fn_pointers[9])(int);
const char *const array_strings[] = { "one", "two", "three" };
extern int array_unknown[];
int *array_unknown_user = array_unknown;
int array_unknown[11];

typedef int array_row_t[4];
typedef array_row_t array_rows_t[3];
array_rows_t array_typedef_rows;
array_row_t array_typedef_table[2];

struct array_flexible {
	unsigned long count;
	struct array_cell cells[];
} *array_flexible;

struct array_flexible_only_in_union {
	int n;
	union {
		struct { } empty;
		int zero[0];
	};
} array_flexible_union;

struct array_zero_tail {
	int n;
	int tail[0];
} array_zero_tail;

struct array_zero_middle {
	int n;
	int start[0];
	int first;
} array_zero_middle;

struct array_of_array_member {
	unsigned char grid[2][3];
	short pairs[4][2];
} array_of_array_member;

typedef int array_vector_t __attribute__((vector_size(16)));
array_vector_t array_vector;

static __attribute__((noinline)) void array_keep(void *p)
{
	__asm__ volatile("" : : "r"(p) : "memory");
}

/* Variable bounds: the upper bound is an expression or a reference, not a number. */
void array_variable(int n, int m)
{
	int line[n];
	int plane[n][m];
	char mixed[m][16];

	array_keep(line);
	array_keep(plane);
	array_keep(mixed);
}

/* Array parameters decay, but the inner dimension stays. */
int array_param(int matrix[][4], const int fixed[static 3])
{
	return matrix[1][2] + fixed[0];
}
