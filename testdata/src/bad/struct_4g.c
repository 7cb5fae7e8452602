/* A struct of more than 4 GiB: its size and the offset of its last members do not fit 32 bits. */
struct struct_4g {
	int first;
	char space[1ul << 32];
	int last;
	unsigned bits : 3;
};
struct struct_4g *struct_4g;

/* More than 2^29 bytes: an offset in bits does not fit 32 bits, the size in bytes does. */
struct struct_512m {
	char space[1ul << 29];
	int last;
};
struct struct_512m *struct_512m;

/* With a bit-field in it, a BTF member has 24 bits for its offset. */
struct struct_2m {
	unsigned bits : 3;
	char space[1ul << 21];
	int last;
	unsigned last_bits : 5;
};
struct struct_2m *struct_2m;

/* 2^32 elements. */
char (*array_4g)[1ul << 32];
char (*array_4g_product)[1ul << 16][1ul << 16];
