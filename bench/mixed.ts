/**
 * `npm run bench -- --mixed`: four small networks trained in float32 and in float16 (`autocast` with a `GradScaler`) from the same seed. Prints the
 * final losses, the time of a step, and the bytes that a forward pass keeps for the backward walk.
 */
import {
	autocast,
	crossEntropy,
	GradScaler,
	manualSeed,
	memory,
	nn,
	optim,
	rand,
	randint,
	randn,
	sync,
	type Tensor,
	tidy,
} from 'wgrad';
import { VariationalAutoencoder } from '../examples/autoencoder/model';
import { Gpt } from '../examples/gpt/model';

interface Task {
	readonly name: string;
	readonly steps: number;
	/** Makes the model, and the loss of a new batch. */
	prepare(): { readonly model: nn.Module; loss(): Tensor };
}

/** The last losses are averaged, because each is that of one batch. */
const LAST = 20;

const cnn: Task = {
	name: 'CNN',
	steps: 120,
	prepare() {
		const conv = (from: number, to: number) => [
			new nn.Conv2d(from, to, 3, { padding: 1 }),
			new nn.BatchNorm2d(to),
			new nn.ReLU(),
		];
		const model = new nn.Sequential(
			...conv(1, 16),
			new nn.MaxPool2d(2),
			...conv(16, 32),
			new nn.MaxPool2d(2),
			new nn.Flatten(),
			new nn.Linear(32 * 16, 10),
		);
		const patterns = randn([10, 1, 16, 16]);
		return {
			model,
			loss() {
				const classes = randint(0, 10, [64]);
				const images = patterns.indexSelect(0, classes).add(randn([64, 1, 16, 16]).mul(4));
				return crossEntropy(model.forward(images), classes);
			},
		};
	},
};

const gpt: Task = {
	name: 'GPT',
	steps: 120,
	prepare() {
		const model = new Gpt({ vocabularySize: 32, context: 48, width: 64, heads: 4, layers: 2 });
		return {
			model,
			loss() {
				// Each token follows from the one before, up to three draws.
				const first = randint(0, 32, [16, 1]);
				const places = randint(0, 4, [16, 49]).cumsum(1);
				const tokens = first.add(places).remainder(32);
				const logits = model.forward(tokens.narrow(1, 0, 48).contiguous());
				return crossEntropy(logits.reshape([-1, 32]), tokens.narrow(1, 1, 48).reshape([-1]));
			},
		};
	},
};

const lstm: Task = {
	name: 'LSTM',
	steps: 120,
	prepare() {
		const recurrent = new nn.LSTM(8, 64, { batchFirst: true });
		const head = new nn.Linear(64, 4);
		const model = new nn.ModuleList([recurrent, head]);
		const patterns = randn([4, 20, 8]);
		return {
			model,
			loss() {
				const classes = randint(0, 4, [32]);
				const x = patterns.indexSelect(0, classes).add(randn([32, 20, 8]).mul(3));
				const [y] = recurrent.forward(x);
				return crossEntropy(head.forward(y.select(1, 19)), classes);
			},
		};
	},
};

const vae: Task = {
	name: 'VAE',
	steps: 120,
	prepare() {
		const model = new VariationalAutoencoder(128, 8);
		const shapes = rand([10, 1, 28, 28]).gt(0.6).to('float32');
		return { model, loss: () => model.forward(shapes.indexSelect(0, randint(0, 10, [64])).mul(rand([64, 1, 1, 1]))).loss };
	},
};

interface MixedResult {
	readonly name: string;
	readonly loss: number;
	readonly ms: number;
	readonly bytes: number;
}

async function train(task: Task, half: boolean): Promise<MixedResult> {
	manualSeed(1);
	const { model, loss } = task.prepare();
	const optimizer = new optim.Adam(model.parameters(), { lr: 2e-3 });
	const scaler = new GradScaler({ enabled: half });
	const losses: number[] = [];
	let bytes = 0;
	let started = 0;
	for (let step = 0; step < task.steps; step++) {
		if (step === LAST) {
			await sync();
			started = performance.now();
		}
		const value = tidy(() => {
			optimizer.zeroGrad();
			const before = memory().gpu?.live ?? 0;
			const result = autocast(loss, { enabled: half });
			bytes = Math.max(bytes, (memory().gpu?.live ?? 0) - before);
			scaler.scale(result).backward();
			scaler.step(optimizer);
			scaler.update();
			return result.detach();
		});
		if (step >= task.steps - LAST) losses.push(await value.item());
		value.dispose();
	}
	await sync();
	return {
		name: task.name,
		loss: losses.reduce((sum, value) => sum + value, 0) / losses.length,
		ms: (performance.now() - started) / (task.steps - LAST),
		bytes,
	};
}

export async function measureMixed(): Promise<readonly (readonly [float32: MixedResult, float16: MixedResult])[]> {
	const results: (readonly [MixedResult, MixedResult])[] = [];
	for (const task of [cnn, gpt, lstm, vae]) results.push([await train(task, false), await train(task, true)]);
	return results;
}

export function mixedLines(results: Awaited<ReturnType<typeof measureMixed>>): string {
	return results
		.map(([a, b]) => {
			const change = (100 * (b.loss - a.loss)) / a.loss;
			const of = ({ loss, ms, bytes }: MixedResult) =>
				`${loss.toFixed(4)}, ${ms.toFixed(1)} ms a step, ${(bytes / 2 ** 20).toFixed(2)} MiB`;
			return `${a.name.padEnd(5)} float32: ${of(a)}\n      float16: ${of(b)}; loss ${change >= 0 ? '+' : ''}${change.toFixed(2)} %`;
		})
		.join('\n');
}
