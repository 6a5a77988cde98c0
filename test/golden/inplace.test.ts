/** In-place operations on the CPU path against PyTorch's: values, refusals, gradients and gradients of gradients. */
import { test } from 'uvu';
import { compareProgram, PROGRAMS } from './inplace';

for (const name of Object.keys(PROGRAMS)) {
	test(`in place as in PyTorch: ${name}`, () =>
		compareProgram(name, { device: 'cpu', dtype: 'float64' }, { relative: 1e-10, absolute: 1e-11 }));
}
test.run();
