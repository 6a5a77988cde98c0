/** Operations that take indices, some of them tiny, to measure the cost of reporting an index out of range. */
import { crossEntropy, type Device, gather, noGrad, randint, randn, scatterAdd, type Tensor } from 'wgrad';
import type { Case } from './cases';

const TINY = 1000;

/** Values [rows, 64], and an index of their shape into dim 0. */
function places(name: string, rows: number, run: (x: Tensor, index: Tensor) => Tensor): Case {
	return {
		name: `${name} ${rows}x64`,
		family: 'indexing',
		bytes: 12 * rows * 64,
		prepare(device: Device) {
			const x = randn([rows, 64], { device });
			const index = randint(rows, [rows, 64], { device });
			return () => noGrad(() => run(x, index));
		},
	};
}

function classes(rows: number, count: number): Case {
	return {
		name: `crossEntropy ${rows} of ${count} classes, forward`,
		family: 'loss',
		bytes: 4 * rows * count,
		prepare(device) {
			const scores = randn([rows, count], { device });
			const target = randint(count, [rows], { device });
			return () => noGrad(() => crossEntropy(scores, target));
		},
	};
}

export const indexCases: readonly Case[] = [
	places('gather', 4096, (x, index) => gather(x, 0, index)),
	places('scatterAdd', 1024, (x, index) => scatterAdd(x, 0, index, x)),
	classes(64, 10),
	classes(4096, 1000),
	{
		name: '1,000 dependent tiny lookups',
		family: 'overhead',
		operations: TINY,
		prepare(device) {
			const table = randn([16], { device });
			const index = randint(16, [16], { device });
			return () =>
				noGrad(() => {
					let x = table;
					for (let i = 0; i < TINY; i++) x = gather(x, 0, index);
				});
		},
	},
];
