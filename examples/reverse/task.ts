/** Random sequences to reverse or to sort. Every batch is new. */
import { type Device, randint, type Tensor, tensor, tidy } from 'wgrad';
import { PAD, SYMBOLS, type Translator } from './model';

export interface Task {
	readonly kind: 'reverse' | 'sort';
	/** Number of different symbols. */
	readonly symbols: number;
	/** Lengths are uniform from `minLength` to `maxLength`. */
	readonly minLength: number;
	readonly maxLength: number;
}

export interface Pairs {
	/** [B, maxLength] int32, padded with PAD. */
	readonly source: Tensor;
	readonly target: Tensor;
}

/** Draws `count` sequences and their targets. The same seed draws the same sequences. */
export async function drawPairs(task: Task, count: number, device: Device): Promise<Pairs> {
	const { kind, symbols, minLength, maxLength } = task;
	const options = { device: 'cpu' } as const;
	const drawn = await randint(SYMBOLS, SYMBOLS + symbols, [count, maxLength], options).data();
	const lengths = await randint(minLength, maxLength + 1, [count], options).data();
	const [source, target] = [drawn, drawn].map((tokens) => Int32Array.from(tokens).fill(PAD)) as [Int32Array, Int32Array];
	for (const [row, length] of lengths.entries()) {
		const start = row * maxLength;
		const tokens = Int32Array.from(drawn.subarray(start, start + length));
		source.set(tokens, start);
		target.set(kind === 'reverse' ? tokens.reverse() : tokens.sort(), start);
	}
	const shape = [count, maxLength];
	return { source: tensor(source, { shape, device }), target: tensor(target, { shape, device }) };
}

/** The fraction of sequences that the model translates without any error. */
export async function exactMatches(model: Translator, { source, target }: Pairs): Promise<number> {
	using share = tidy(() => {
		const right = model.translate(source).eq(target).logicalOr(target.eq(PAD));
		return right.all(1).to('float32').mean();
	});
	return await share.item();
}
