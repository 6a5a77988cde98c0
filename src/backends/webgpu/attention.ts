/** Launches of shaders/attention*.wgsl.ts: chooses between subgroups and workgroup memory, and vec4 or scalar reads. */
import { type AttentionKind, type AttentionOptionsVariant, attentionRows, OWN_ROWS } from '../../../shaders/attention.wgsl';
import { attentionSmall } from '../../../shaders/attentionSmall.wgsl';
import { attentionSubgroup } from '../../../shaders/attentionSubgroup.wgsl';
import { attentionWorkgroup } from '../../../shaders/attentionWorkgroup.wgsl';
import { counterWords, uniformThreshold } from '../../core/philox';
import type { View } from '../contract';
import type { AttentionAttributes, AttentionKernels } from '../contract/attention';
import { floatBits, type Gpu, storageType } from './launch';

type Float = 'f32' | 'f16';

interface Tensors {
	readonly q: View;
	readonly k: View;
	readonly v: View;
	readonly gradient?: View;
	readonly rows?: View;
	readonly mask?: View;
}

/** Strides of batch, head and row, and the offset; those of dims of one element, which mean nothing, as 0. */
function placeOf(view: View | undefined): number[] {
	if (view === undefined) return [0, 0, 0, 0];
	const strides = view.strides.slice(0, 3).map((stride, d) => (view.shape[d] === 1 ? 0 : stride));
	return [...strides, view.offset];
}

function readsVectors(views: readonly View[]): boolean {
	return views.every((view) => view.shape[3]! % 4 === 0 && placeOf(view).every((step) => step % 4 === 0));
}

/** Software adapters run barriers as coroutines, but broadcast within a subgroup for next to nothing. */
function sharesBySubgroup(gpu: Gpu): 4 | 8 | null {
	return gpu.isSoftware && (gpu.subgroupSize === 4 || gpu.subgroupSize === 8) ? gpu.subgroupSize : null;
}

const elements = (view: View): number => view.shape.reduce((all, size) => all * size, 1);

export function attentionKernels(gpu: Gpu): AttentionKernels {
	function launch(
		kind: AttentionKind,
		tensors: Tensors,
		outputs: readonly View[],
		logSumExp: View | null,
		attributes: AttentionAttributes,
	): void {
		const { q, k, v, gradient, rows, mask } = tensors;
		const [batch, heads, queries, size] = q.shape as [number, number, number, number];
		const [, groups, keys] = k.shape as [number, number, number];
		const valueSize = v.shape[3]!;
		const { scale, causal, dropout } = attributes;
		const byKeys = kind === 'keyValue';
		const rowTiles = Math.ceil((byKeys ? keys : queries) / OWN_ROWS);
		const tiles = batch * (byKeys ? groups : heads) * rowTiles;
		const inputs = [q, k, v, ...(gradient ? [gradient] : [])];
		const largest = Math.max(size, valueSize);
		const variant: AttentionOptionsVariant = {
			kind,
			size: largest <= 32 ? 32 : largest <= 64 ? 64 : largest <= 128 ? 128 : 256,
			vectors: readsVectors([...inputs, ...outputs]),
			mask: mask === undefined ? 'none' : storageType(mask) === 'f16' ? 'f16' : 'words',
			dropout: dropout !== null,
			storage: storageType(q) as Float,
		};
		const key = dropout === null ? [0, 0, 0, 0] : [...counterWords(dropout), ...dropout.seed];
		const maskStrides = mask === undefined ? [0, 0, 0, 0] : mask.strides.map((stride, d) => (mask.shape[d] === 1 ? 0 : stride));
		const p = dropout?.p ?? 0;
		const pairs = batch * heads * queries * keys * (causal ? 0.5 : 1);
		const products = kind === 'forward' ? [1, 1] : kind === 'query' ? [2, 1] : [2, 2];
		const subgroup = sharesBySubgroup(gpu);
		const record = {
			buffers: [...inputs, ...(rows ? [rows] : []), ...(mask ? [mask] : []), ...outputs, ...(logSumExp ? [logSumExp] : [])].map(
				({ storage }) => storage,
			),
			params: [
				...key,
				...[q, k, v, gradient, outputs[0], outputs[1]].flatMap(placeOf),
				...maskStrides,
				mask?.offset ?? 0,
				tiles,
				rowTiles,
				heads,
				heads / groups,
				queries,
				keys,
				size,
				valueSize,
				causal ? 1 : 0,
				floatBits(scale),
				uniformThreshold(p),
				floatBits(p < 1 ? 1 / (1 - p) : 0),
				mask?.dtype === 'bool' ? 1 : 0,
			],
			grid: [tiles] as const,
			flops: 2 * pairs * (products[0]! * size + products[1]! * valueSize),
			bytes: [...inputs, ...outputs].reduce((sum, view) => sum + elements(view), 0) * (variant.storage === 'f16' ? 2 : 4),
			divisible: true,
		};
		const { size: capacity } = variant;
		if (subgroup !== null && (capacity === 32 || capacity === 64))
			gpu.launch({ kernel: attentionSmall, variant: { ...variant, size: capacity, subgroup }, ...record });
		else if (subgroup !== null) gpu.launch({ kernel: attentionSubgroup, variant: { ...variant, subgroup }, ...record });
		else gpu.launch({ kernel: attentionWorkgroup, variant, ...record });
	}

	return {
		attention(inputs, { o, logSumExp }, attributes) {
			launch('forward', inputs, [o], logSumExp, attributes);
		},
		attentionRows({ o, gradient, logSumExp }, { rows }) {
			const [batch, heads, queries, valueSize] = o.shape as [number, number, number, number];
			const count = batch * heads * queries;
			const storage = storageType(o) as Float;
			const unused = [0, 0, 0, 0];
			gpu.launch({
				kernel: attentionRows,
				variant: { vectors: readsVectors([o, gradient]), storage },
				buffers: [o.storage, gradient.storage, logSumExp.storage, rows.storage],
				params: [
					...unused,
					...placeOf(o),
					...unused,
					...unused,
					...placeOf(gradient),
					...unused,
					...unused,
					...unused,
					0,
					count,
					0,
					heads,
					1,
					queries,
					0,
					0,
					valueSize,
					0,
					0,
					0,
					0,
					0,
				],
				grid: [Math.ceil(count / 64)],
				flops: 2 * count * valueSize,
				bytes: count * (2 * valueSize * (storage === 'f16' ? 2 : 4) + 24),
			});
		},
		attentionGradQuery(inputs, { dq }, attributes) {
			launch('query', inputs, [dq], null, attributes);
		},
		attentionGradKeyValue(inputs, { dk, dv }, attributes) {
			launch('keyValue', inputs, [dk, dv], null, attributes);
		},
	};
}
