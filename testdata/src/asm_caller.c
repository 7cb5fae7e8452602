/* The C side of the assembler unit: declares what asm_fn.s defines. */

extern void asm_global(int argument);
extern void asm_untyped(void);

void asm_caller(int n)
{
	asm_global(n);
	asm_untyped();
}
