/**
 * `checkpoint` trades time for memory. While the function runs, its nodes go on the tape, but store numbers instead of saved tensors. When the
 * backward walk needs the first of these, the function runs again on the same inputs with the same state of the random generator, and the
 * tensors that its nodes save this time replace the numbers. So parameters in closures, second derivatives and nesting work as without a
 * checkpoint. Chen et al. 2016, https://arxiv.org/abs/1604.06174.
 */
import { requireFunction } from '../core/checks';
import { AutogradError, formatShape } from '../core/errors';
import { defaultGenerator, drawFrom, Generator } from '../core/generator';
import { type GradEdge, type Tensor, viewOf } from '../tensor';
import { requireTensors } from '../tensorChecks';
import { tidy } from '../tidy';
import { inAutocast } from './autocast';
import { currentAutocast, enableGrad, isGradEnabled } from './modes';
import { type SaveHook, setRequiresGrad, withSaveHook } from './tape';

type Checkpointed = Tensor | readonly Tensor[];

interface Packed {
	readonly edge: GradEdge | null;
	/** Of the storage when it was packed; storages that outlive the function (parameters) show an overwrite by it. */
	readonly storage: WeakRef<Tensor['storage']>;
	readonly version: number;
}

/** A tensor that the second run saved, and the version of its storage then. */
interface Recomputed {
	readonly tensor: Tensor;
	readonly version: number;
}

/** One run of a checkpointed function. It notes what the nodes save, and recomputes it. */
class Frame implements SaveHook {
	readonly operation = 'checkpoint';
	readonly #packed: Packed[] = [];
	#recomputed: Recomputed[] | null = null;
	#nodes = 0;
	readonly #versions: readonly number[];

	constructor(
		private readonly fn: (...inputs: Tensor[]) => Checkpointed,
		private readonly inputs: readonly Tensor[],
		private readonly generator = defaultGenerator.getState(),
		private readonly autocast = currentAutocast(),
	) {
		this.#versions = inputs.map((input) => input.storage.version);
	}

	pack(tensor: Tensor): () => Tensor {
		const index =
			this.#packed.push({ edge: tensor.edge, storage: new WeakRef(tensor.storage), version: tensor.storage.version }) - 1;
		return () => this.#restore(index);
	}

	attach(): () => void {
		this.#nodes++;
		return () => {
			if (--this.#nodes === 0) this.#release();
		};
	}

	/** Releases everything if no node was recorded. */
	releaseIfUnused(): void {
		if (this.#nodes === 0) this.#release();
	}

	#restore(index: number): Tensor {
		this.#recomputed ??= this.#run();
		const { edge, storage, version } = this.#packed[index]!;
		const source = this.#recomputed[index];
		if (source === undefined) {
			throw new AutogradError('checkpoint: the function ran other operations the second time; it must depend only on its inputs');
		}
		const { tensor: again, version: seen } = source;
		if (again.storage.version !== (again.storage === storage.deref() ? version : seen)) {
			throw overwritten('a tensor that the function uses', again);
		}
		const tensor = viewOf(again, again.shape, again.strides, again.offset);
		tensor.edge = edge;
		return tensor;
	}

	#run(): Recomputed[] {
		this.inputs.forEach((input, i) => {
			if (input.storage.version !== this.#versions[i]) throw overwritten('its input', input);
		});
		const saved: Recomputed[] = [];
		const collect: SaveHook = {
			operation: 'checkpoint',
			pack(tensor) {
				const own = viewOf(tensor, tensor.shape, tensor.strides, tensor.offset);
				own.kept = true;
				saved.push({ tensor: own, version: own.storage.version });
				return () => own;
			},
			attach: () => () => {},
		};
		const generator = new Generator(0);
		generator.setState(this.generator);
		drawFrom(generator, () =>
			withSaveHook(collect, () => inAutocast(this.autocast, () => enableGrad(() => tidy(() => this.#runAgain())))),
		);
		return saved;
	}

	#runAgain(): void {
		const copies = this.inputs.map((input) => {
			const copy = viewOf(input, input.shape, input.strides, input.offset);
			setRequiresGrad(copy, input.requiresGrad);
			return copy;
		});
		this.fn(...copies);
	}

	#release(): void {
		for (const { tensor } of this.#recomputed ?? []) tensor.dispose();
		this.#recomputed = null;
		for (const input of this.inputs) input.dispose();
	}
}

function overwritten(what: string, { storage, shape }: Tensor): AutogradError {
	return new AutogradError(
		`checkpoint: ${what}, of shape ${formatShape(shape)}, was overwritten by '${storage.lastWriter}' before the backward walk. Clone it first`,
	);
}

/**
 * Computes `fn(...inputs)` without saving tensors for the gradient. The backward walk computes them again, random draws included. `fn` must
 * return the same result for the same inputs. As `torch.utils.checkpoint.checkpoint` with `use_reentrant=False`.
 */
export function checkpoint<R extends Checkpointed>(fn: (...inputs: Tensor[]) => R, ...inputs: Tensor[]): R {
	requireFunction('checkpoint', 'fn', fn, 'a function of tensors');
	requireTensors('checkpoint', 'inputs', inputs);
	if (!isGradEnabled()) return fn(...inputs);
	const held = inputs.map((input) => {
		const own = viewOf(input, input.shape, input.strides, input.offset);
		own.edge = input.edge;
		own.kept = true;
		return own;
	});
	const frame = new Frame(fn, held);
	const result = withSaveHook(frame, () => tidy(() => fn(...inputs)));
	frame.releaseIfUnused();
	return result;
}
