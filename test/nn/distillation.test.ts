/** The distillation loss against its formula in PyTorch. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { init, nn, type Tensor, tensor, zeros } from 'wgrad';
import results from '../golden/adapting.json';
import { stream } from '../ops/database';
import { requireClose } from '../proofs/compare';

test.before(async () => void (await init({ device: 'cpu' })));

function draw(name: string, shape: readonly number[]): Tensor {
	const next = stream(name);
	const values = Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => 3 * Math.fround(-1 + next() * 2));
	return tensor(values, { shape, dtype: 'float64' });
}

const classes = (values: number[] | number[][]) => tensor(values, { dtype: 'int32' });

const CASES = {
	classes: { shape: [4, 5], target: classes([0, 4, 2, 2]), options: { temperature: 3, alpha: 0.3 } },
	positions: {
		shape: [2, 3, 4],
		target: classes([
			[0, 1, 2, 0],
			[2, 2, 1, 0],
		]),
		options: {},
	},
	'soft alone': { shape: [4, 5], target: null, options: { temperature: 4, alpha: 0 } },
};

for (const [name, { shape, target, options }] of Object.entries(CASES)) {
	test(`distillation, ${name}: the loss and its gradient are PyTorch's, and the teacher gets none`, async () => {
		const expected = results.distillation[name as keyof typeof CASES];
		const [student, teacher] = [draw('student', shape).requiresGrad_(), draw('teacher', shape).requiresGrad_()];
		const loss = new nn.DistillationLoss(options).forward(student, teacher, target);
		loss.backward();
		const allowed = { relative: 1e-12, absolute: 1e-13 };
		requireClose('loss', [await loss.item()], [expected.loss], allowed);
		requireClose('gradient', await student.grad!.data(), expected.gradient, allowed);
		assert.is(teacher.grad, null);
	});
}

test('wrong calls are refused', () => {
	assert.throws(() => new nn.DistillationLoss({ temperature: 0 }), /temperature must be above 0, not 0/);
	assert.throws(() => new nn.DistillationLoss({ alpha: 2 }), /alpha must lie in \[0, 1\]/);
	const loss = new nn.DistillationLoss();
	assert.throws(
		() => loss.forward(zeros([2, 3]), zeros([2, 4])),
		/teacher \[2, 4\] must have shape \[2, 3\] for student \[2, 3\]/,
	);
	assert.throws(() => loss.forward(zeros([2, 3]), zeros([2, 3])), /needs the target, because alpha is 0\.5/);
});

test.run();
