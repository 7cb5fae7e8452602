/* Function types: variadic, without prototype, nested, in structs, returning pointers to functions. */

struct pr_object;
typedef int pr_callback_t(struct pr_object *, void *);
typedef void (*pr_void_t)(void);

struct pr_object {
	int (*plain)(int a, long b);
	void (*nothing)(void);
	int (*old_style)();
	int (*variadic)(const char *format, ...);
	void *(*returns_pointer)(struct pr_object *self);
	pr_callback_t *by_typedef;
	pr_void_t table[3];
	void (*takes_function)(int (*inner)(int (*innermost)(void)));
	int (*(*returns_function)(int))(long);
	int (*(*array_of_those)[2])(struct pr_object **);
	void (*by_value)(struct { int x; } *anonymous_argument);
	const char *const (*const fixed)(const volatile int);
} pr_object;

int (*pr_pointer)(int, ...);
int (*pr_old_style)();
void (**pr_pointer_pointer)(void);
pr_callback_t *pr_callback;
void (*pr_recursive)(void (*)(void (*)(void)));

/* The same type twice, once with names for the parameters: the names are no part of a pointer's type. */
int (*pr_named)(int first, int second);
int (*pr_unnamed)(int, int);
