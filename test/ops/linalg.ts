/** Determinants, inverses, systems of equations and Cholesky factors. */
import * as w from 'wgrad';
import type { InputSpec, OpEntry, Options, Refusal, Sample, Tolerance } from './database';

const floats = (...shape: number[]): InputSpec => ({ shape });
const listed = (values: readonly number[], ...shape: number[]): InputSpec => ({ shape, values });

const tolerance: Tolerance = {
	relative: 1e-4,
	absolute: 2e-5,
	reason: 'a rounded entry of float32 changes the result by the condition number of the matrix, about 10',
};

const refuse = (label: string, shape: readonly number[], call: (x: w.Tensor) => unknown, message: RegExp): Refusal => ({
	label,
	call: (device) => call(w.zeros(shape, { device })),
	message,
});

/** Makes random matrices well-conditioned: `shift` is added to the diagonal. */
const shifted = (x: w.Tensor, shift: unknown) =>
	shift === undefined ? x : x.add(w.eye(x.shape.at(-1)!, { dtype: x.dtype, device: x.device }).mul(shift as number));
const inPython = (shift: unknown) => (shift === undefined ? 'x[0]' : `(x[0] + ${shift} * torch.eye(x[0].shape[-1]))`);

const matrix = (label: string, input: InputSpec, shift?: number): Sample => ({ label, inputs: [input], options: { shift } });

/** PyTorch 1.13 gives 0 as the gradient of a singular matrix, unless it makes a graph of it. So its triple product stands for det. */
const TRIPLE = '(x[0][..., 0, :] * torch.cross(x[0][..., 1, :], x[0][..., 2, :], dim=-1)).sum(-1)';
const triple = (label: string, input: InputSpec): Sample => ({ label, inputs: [input], options: { isTriple: true } });

/** The determinant of 8 x 8 matrices by the method of Faddeev and LeVerrier, a polynomial. */
const POLYNOMIAL =
	"-torch.trace(x[0] @ __import__('functools').reduce(lambda m, k: x[0] @ m - torch.trace(x[0] @ m) / k * torch.eye(8), range(1, 8), torch.eye(8))) / 8";

/** Ones above the diagonal, -3 at last: every pivot is 0, but one cofactor is not. */
const NILPOTENT = Array.from({ length: 64 }, (_, i) => (i % 9 === 1 ? (i > 54 ? -3 : 1) : 0));

/** Needs exchanges of rows in every column. */
const EXCHANGED = listed([0, 1, 2, 3, 0, 1, 1, -4, 0.5], 3, 3);

const MATRICES: readonly Sample[] = [
	matrix('exchanges', EXCHANGED),
	matrix('batch', floats(2, 3, 3), 5),
	matrix('transposed', { shape: [4, 4], layout: 'transposed' }, 6),
	matrix('one', listed([-2.5], 1, 1)),
];
const LARGE = { ...matrix('large', floats(70, 70), 40), gradient: false };

const square = (name: string, call: (x: w.Tensor) => unknown): Refusal =>
	refuse('no square', [2, 3], call, new RegExp(`linalg.${name}: needs square matrices \\[\\.\\.\\., n, n\\], not \\[2, 3\\]`));

/** Adds `shift` to the diagonal of the first input. */
const addShift = ([x, ...rest]: readonly w.Tensor[], { shift }: Options) => [shifted(x!, shift), ...rest];

const entry = (
	name: string,
	call: OpEntry['call'],
	rest: Pick<OpEntry, 'samples' | 'torch' | 'refusals'>,
	prepare: (inputs: readonly w.Tensor[], options: Options) => readonly w.Tensor[] = addShift,
): OpEntry => ({
	name: `linalg.${name}`,
	family: 'matmul',
	gradient: 'yes',
	tolerance,
	call: (inputs, options) => call(prepare(inputs, options), options),
	steps: { prepare, call },
	...rest,
});

export const linalg: OpEntry[] = [
	entry('det', ([x]) => w.linalg.det(x!), {
		samples: [
			...MATRICES,
			{ ...matrix('singular', listed([1, 2, 2, 4], 2, 2)), gradient: false },
			triple('singular, with gradients', listed([1, 2, -1, 2, 4, -2, 3, 0, 5], 3, 3)),
			{ label: 'nilpotent', inputs: [listed(NILPOTENT, 8, 8)], options: { isNilpotent: true } },
			triple('of rank 2 and 0', listed([0, 2, 1, 0, 0, 3, 0, 0, 0, ...new Array<number>(9).fill(0)], 2, 3, 3)),
		],
		torch: ({ shift, isTriple, isNilpotent }) =>
			isTriple ? TRIPLE : isNilpotent ? POLYNOMIAL : `torch.linalg.det(${inPython(shift)})`,
		refusals: [square('det', w.linalg.det)],
	}),
	entry(
		'slogdet',
		([x]) => {
			const { sign, logabsdet } = w.linalg.slogdet(x!);
			return [sign.detach(), logabsdet];
		},
		{
			samples: [...MATRICES, LARGE],
			torch: ({ shift }) => `(lambda y: [y[0].detach(), y[1]])(torch.linalg.slogdet(${inPython(shift)}))`,
			refusals: [square('slogdet', w.linalg.slogdet)],
		},
	),
	entry('inv', ([x]) => w.linalg.inv(x!), {
		samples: [...MATRICES, LARGE],
		torch: ({ shift }) => `torch.linalg.inv(${inPython(shift)})`,
		refusals: [
			square('inv', w.linalg.inv),
			refuse('singular', [2, 2], w.linalg.inv, /linalg.inv: there are 2 pivots that are 0: the matrix is singular/),
		],
	}),
	entry('solve', ([x, b]) => w.linalg.solve(x!, b!), {
		samples: [
			{ label: 'exchanges', inputs: [EXCHANGED, floats(3, 2)] },
			{ label: 'a vector', inputs: [EXCHANGED, floats(3)] },
			{ label: 'vectors', inputs: [floats(2, 3, 3), floats(2, 3)], options: { shift: 5 } },
			{ label: 'broadcast', inputs: [floats(3, 3), { shape: [2, 3, 2], layout: 'strided' }], options: { shift: 5 } },
		],
		torch: ({ shift }) => `torch.linalg.solve(${inPython(shift)}, x[1])`,
		refusals: [
			square('solve', (x) => w.linalg.solve(x, x)),
			refuse(
				'rows',
				[2, 2],
				(x) => w.linalg.solve(x, w.zeros([3, 2], { device: x.device })),
				/linalg.solve: a \[2, 2\] and b \[3, 2\] must/,
			),
		],
	}),
	entry(
		'solveTriangular',
		([t, b], { shift: _, ...options }) => w.linalg.solveTriangular(t!, b!, options as { upper: boolean }),
		{
			samples: [
				{ label: 'upper', inputs: [floats(2, 3, 3), floats(2, 3, 2)], options: { shift: 4, upper: true } },
				{ label: 'lower, unit', inputs: [floats(3, 3), floats(3, 2)], options: { upper: false, unitriangular: true } },
			],
			torch: ({ shift, upper, unitriangular = false }) =>
				`torch.linalg.solve_triangular(torch.${upper ? 'triu' : 'tril'}(${inPython(shift)}, ${unitriangular ? (upper ? 1 : -1) : 0})${unitriangular ? ' + torch.eye(3)' : ''}, x[1], upper=${upper ? 'True' : 'False'}, unitriangular=${unitriangular ? 'True' : 'False'})`,
			refusals: [square('solveTriangular', (x) => w.linalg.solveTriangular(x, x, { upper: true }))],
		},
	),
	entry(
		'cholesky',
		([x]) => w.linalg.cholesky(x!),
		{
			samples: [
				matrix('one matrix', floats(3, 3)),
				matrix('batch', floats(2, 4, 4)),
				{ ...matrix('large', { ...floats(67, 67), low: -0.2, high: 0.2 }), gradient: false },
			],
			torch: () => 'torch.linalg.cholesky(x[0] @ x[0].mT + torch.eye(x[0].shape[-1]))',
			refusals: [
				square('cholesky', w.linalg.cholesky),
				refuse(
					'not positive',
					[2, 2],
					w.linalg.cholesky,
					/linalg.cholesky: there are 2 diagonal entries that are no numbers: .* not positive definite/,
				),
			],
		},
		// Positive definite matrices, so that differences keep them symmetric.
		([x]) => [shifted(x!.matmul(x!.mT), 1)],
	),
];
