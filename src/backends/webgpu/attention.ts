/**
 * Launches of shaders/attention*.wgsl.ts. The launcher chooses between subgroups and workgroup memory, and between vec4 and
 * scalar reads.
 */
import { type AttentionKind, type AttentionOptionsVariant, attentionRows, OWN_ROWS } from '../../../shaders/attention.wgsl';
import { attentionSmall } from '../../../shaders/attentionSmall.wgsl';
import { attentionSubgroup } from '../../../shaders/attentionSubgroup.wgsl';
import { attentionWorkgroup } from '../../../shaders/attentionWorkgroup.wgsl';
import { WORKGROUP_SIZE } from '../../../shaders/shader';
import { keyWords, uniformThreshold } from '../../core/philox';
import type { View } from '../contract';
import type { AttentionAttributes, AttentionKernels } from '../contract/attention';
import { decided } from './decisions';
import { type Gpu, storageType } from './launch';
import { gpuBytes, viewBytes } from './memory';

type Float = 'f32' | 'f16';

interface Tensors {
	readonly q: View;
	readonly k: View;
	readonly v: View;
	readonly gradient?: View;
	readonly rows?: View;
	readonly mask?: View;
}

interface Results {
	readonly o?: View;
	readonly logSumExp?: View;
	readonly dq?: View;
	readonly dk?: View;
	readonly dv?: View;
}

/** Strides, with 0 for dims of size 1, where the stride does not matter. */
function stepsOf({ shape, strides }: View): number[] {
	return strides.map((stride, d) => (shape[d] === 1 ? 0 : stride));
}

/** Strides of batch, head and row, and the offset. */
function layoutOf(view: View): number[] {
	return [...stepsOf(view).slice(0, 3), view.offset];
}

function readsVectors(views: readonly View[]): boolean {
	return views.every((view) => view.shape[3]! % 4 === 0 && layoutOf(view).every((step) => step % 4 === 0));
}

/** Software adapters pay much for barriers and almost nothing for broadcasts within a subgroup. */
function sharesBySubgroup(gpu: Gpu): 4 | 8 | null {
	if (decided(gpu, 'attention.sharing', gpu.isSoftware ? 'subgroup' : 'workgroup') === 'workgroup') return null;
	return gpu.subgroupSize === 4 || gpu.subgroupSize === 8 ? gpu.subgroupSize : null;
}

export function attentionKernels(gpu: Gpu): AttentionKernels {
	function launch(kind: AttentionKind, tensors: Tensors, results: Results, attributes: AttentionAttributes): void {
		const { q, k, v, gradient, rows, mask } = tensors;
		const { o, logSumExp, dq, dk, dv } = results;
		const outputs = [o, dq, dk, dv].filter((view) => view !== undefined);
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
		const pairs = batch * heads * queries * keys * (causal ? 0.5 : 1);
		const products = kind === 'forward' ? [1, 1] : kind === 'query' ? [2, 1] : [2, 2];
		const subgroup = sharesBySubgroup(gpu);
		const record = {
			buffers: {
				q: q.storage,
				k: k.storage,
				v: v.storage,
				gradient: gradient?.storage,
				rows: rows?.storage,
				mask: mask?.storage,
				o: o?.storage,
				dq: dq?.storage,
				dk: dk?.storage,
				dv: dv?.storage,
				logSumExp: logSumExp?.storage,
			},
			params: {
				q: layoutOf(q),
				k: layoutOf(k),
				v: layoutOf(v),
				gradient: gradient && layoutOf(gradient),
				out: layoutOf(outputs[0]!),
				out2: outputs[1] && layoutOf(outputs[1]),
				mask: mask && stepsOf(mask),
				maskOffset: mask?.offset,
				isBool: mask?.dtype === 'bool',
				tiles,
				rowTiles,
				heads,
				group: heads / groups,
				queries,
				keys,
				size,
				valueSize,
				causal,
				scale,
				...(dropout && {
					key: keyWords(dropout),
					dropped: uniformThreshold(dropout.p),
					keptScale: dropout.p < 1 ? 1 / (1 - dropout.p) : 0,
				}),
			},
			grid: [tiles] as const,
			flops: 2 * pairs * (products[0]! * size + products[1]! * valueSize),
			bytes: viewBytes(...inputs, ...outputs),
		};
		const { size: capacity } = variant;
		const isSmall = decided(gpu, 'attention.sharing', 'small') === 'small';
		if (subgroup !== null && isSmall && (capacity === 32 || capacity === 64))
			gpu.launch({ kernel: attentionSmall, variant: { ...variant, size: capacity, subgroup }, ...record });
		else if (subgroup !== null) gpu.launch({ kernel: attentionSubgroup, variant: { ...variant, subgroup }, ...record });
		else gpu.launch({ kernel: attentionWorkgroup, variant, ...record });
	}

	return {
		attention(inputs, outputs, attributes) {
			launch('forward', inputs, outputs, attributes);
		},
		attentionRows({ o, gradient, logSumExp }, { rows }) {
			const [batch, heads, queries, valueSize] = o.shape as [number, number, number, number];
			const count = batch * heads * queries;
			const storage = storageType(o) as Float;
			gpu.launch({
				kernel: attentionRows,
				variant: { vectors: readsVectors([o, gradient]), storage },
				buffers: { o: o.storage, gradient: gradient.storage, logSumExp: logSumExp.storage, rows: rows.storage },
				params: { o: layoutOf(o), gradient: layoutOf(gradient), count, heads, queries, valueSize },
				grid: [Math.ceil(count / WORKGROUP_SIZE)],
				flops: 2 * count * valueSize,
				bytes: count * (2 * valueSize * gpuBytes(o.dtype) + 24),
			});
		},
		attentionGradQuery(inputs, outputs, attributes) {
			launch('query', inputs, outputs, attributes);
		},
		attentionGradKeyValue(inputs, outputs, attributes) {
			launch('keyValue', inputs, outputs, attributes);
		},
	};
}
