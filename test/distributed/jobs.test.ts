/** Jobs of several ranks under each MPI that is installed (`.ci/install-mpi`), and alone. `npm run test:distributed` runs larger ones. */
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { disagreement } from '../../src/distributed/group';
import { scratchFolder } from '../soak/programs';
import { bundleJobs, installedMpis, launch } from './launch';
import type { Training } from './programs/training';

let folder: string;
let program: string;
test.before(async () => {
	folder = scratchFolder('distributed');
	program = await bundleJobs(folder);
});
test.after(() => rmSync(folder, { recursive: true, force: true }));

const mpis = installedMpis();
for (const name of ['Open MPI', 'MPICH'] as const) {
	if (!mpis.some((mpi) => mpi.name === name)) test.skip(`${name} is not installed`, () => {});
}

test('alone: the same program, without MPI', async () => {
	const { code, output, errors } = await launch(null, 1, program, ['collectives', '10', '7', 'cpu']);
	assert.is(code, 0, errors);
	assert.match(output, /^rank 0 of 1: \d+ calls of 10 programs are right \(null\)$/m);
});

for (const mpi of mpis) {
	test(`${mpi.name}: random collective programs give what one process computes`, async () => {
		const { code, output, errors } = await launch(mpi, 2, program, ['collectives', '20', '1', 'cpu']);
		assert.is(code, 0, errors);
		const lines = output.match(/^rank \d of 2: \d+ calls of 20 programs are right \((Open MPI v|MPICH )\d/gm) ?? [];
		assert.is(lines.length, 2, output);
	});

	test(`${mpi.name}: a rank that throws ends the job`, async () => {
		const { code, output, errors } = await launch(mpi, 2, program, ['failing', 'throw', '60000']);
		assert.is(code, 1);
		assert.match(errors, /wgrad: rank 1 of 2 \(.*, process \d+\) failed: Error: the data are gone/);
		assert.is(output, '');
	});
}

async function parametersOf(
	launched: Parameters<typeof launch>[0],
	ranks: number,
	settings: Partial<Training>,
): Promise<Float32Array> {
	const out = join(folder, 'parameters');
	const job = JSON.stringify({ model: 'small', steps: 6, batch: 16, out, ...settings });
	const { code, output, errors } = await launch(launched, ranks, program, ['training', job]);
	assert.is(code, 0, errors);
	const digests = [...output.matchAll(/^rank \d of \d: (\w{64}) /gm)].map(([, digest]) => digest);
	assert.is(digests.length, ranks, output);
	assert.is(new Set(digests).size, 1, 'the ranks differ');
	return new Float32Array(new Uint8Array(readFileSync(out)).buffer);
}

/** The norm of the difference by the norm. */
function distance(a: Float32Array, b: Float32Array): number {
	return Math.hypot(...a.map((value, i) => value - b[i]!)) / Math.hypot(...b);
}

const [mpi] = mpis;
if (mpi !== undefined) {
	test('ranks that train on parts of each batch give the parameters of one process', async () => {
		const whole = await parametersOf(null, 1, { clip: 0.05 });
		const parts = await parametersOf(mpi, 2, { clip: 0.05, accumulate: 2, bucketCapMb: 0.001 });
		assert.ok(distance(parts, whole) < 1e-6, String(distance(parts, whole)));
	});

	test('data parallelism keeps its promises', async () => {
		const { code, output, errors } = await launch(mpi, 2, program, ['parallel']);
		assert.is(code, 0, errors);
		assert.is(output.match(/ hold$/gm)?.length, 13, output);
	});

	test('a rank that hangs ends the job, and is named', async () => {
		const { code, errors } = await launch(mpi, 2, program, ['failing', 'loop', '1000']);
		assert.is(code, 1);
		assert.match(
			errors,
			/wgrad: rank 0 \(.*\) waited 1\.\d s in allReduce of float32 \[3\] sum \(collective call \d+\); rank 1 \(.*, process \d+\) did not come to it/,
		);
	});

	test('different calls throw on every rank', async () => {
		const { code, errors } = await launch(mpi, 2, program, ['failing', 'shape', '60000']);
		assert.is(code, 1);
		assert.match(
			errors,
			/the ranks make different calls: rank 0 allReduce of float32 \[3\] sum; rank 1 allReduce of float32 \[2\] sum\./,
		);
	});

	test('a missing library is named', async () => {
		const { code, errors } = await launch(mpi, 2, program, ['failing', 'none', '60000'], {
			env: { WGRAD_MPI_LIBRARY: 'libnowhere.so' },
		});
		assert.is.not(code, 0);
		assert.match(errors, /no MPI library was found here \(tried libnowhere\.so\)/);
	});
}

test('ranks that differ are named', () => {
	const own = { version: '1.0.0', agree: 'a' };
	assert.is(disagreement([own, own]), null);
	assert.match(
		disagreement([own, { ...own, version: '1.1.0' }, own])!,
		/^ranks run different versions of wgrad: "1\.0\.0" on ranks 0, 2; "1\.1\.0" on rank 1\. /,
	);
	assert.match(
		disagreement([own, { ...own, agree: 'b' }])!,
		/^ranks differ in what they must agree on: "a" on rank 0; "b" on rank 1\. /,
	);
});

test.run();
