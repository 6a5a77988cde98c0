import { test } from 'uvu';
import { init } from 'wgrad';
import { families } from '../ops';
import { proveFloat16 } from '../proofs/float16';

test.before(async () => {
	await init({ device: 'webgpu' });
});
// The default eps is that of the dtype, as in PyTorch.
const entries = families.norm.map((entry) =>
	entry.name === 'rmsNorm'
		? { ...entry, samples: entry.samples.map((sample) => ({ ...sample, options: { eps: 2 ** -10, ...sample.options } })) }
		: entry,
);
proveFloat16(entries);
test.run();
