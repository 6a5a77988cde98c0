/** GPT-2's logits and 20 training steps on WebGPU against PyTorch's. */
import { test } from 'uvu';
import { init, noGrad } from 'wgrad';
import { requireClose } from '../proofs/compare';
import { golden, pretrained, tokensOf, trainOnBatch } from './gpt2';

test.before(async () => {
	await init({ device: 'webgpu' });
});

test("a GPT-2 file gives PyTorch's logits", async () => {
	const model = await pretrained('webgpu', 'float32');
	const logits = noGrad(() => model.forward(tokensOf(golden.tokens, 'webgpu')));
	requireClose('logits', await logits.data(), golden.logits, { relative: 1e-4, absolute: 1e-4 });
});

test("20 steps give PyTorch's losses", async () => {
	const { losses, norms } = await trainOnBatch('webgpu', 'float32');
	requireClose('losses', losses, golden.training.losses, { relative: 1e-4, absolute: 0 });
	requireClose('norms of gradients', norms, golden.training.norms, { relative: 1e-4, absolute: 0 });
});

test.run();
