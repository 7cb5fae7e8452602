/* Full definitions that every unit shares; each unit describes them anew. */
struct un_shared {
	int id;
	struct un_shared *next;
	const char *name;
};

typedef struct un_shared *un_shared_ptr;

enum un_shared_enum { UN_SHARED_A, UN_SHARED_B = 1000 };
