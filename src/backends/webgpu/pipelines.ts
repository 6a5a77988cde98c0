/**
 * Compute pipelines: compiled once for each kernel and variant, never for a shape, and kept in a cache with a cap.
 *
 * A launch cannot wait, so a pipeline that is missing is created on the spot; WebGPU reports whether it compiled later.
 * `warm` compiles many at once ahead of time, on as many threads as the implementation has. A pipeline that failed to
 * compile says so by throwing at every launch after the report, and at the next read or sync.
 */
import type { Access, ShaderSource, ShaderTemplate, Variant } from '../../../shaders/shader';
import { DeviceError } from '../../core/errors';
import { SHADER_STAGE_COMPUTE } from './device';
import type { Failures } from './failures';

/** One launch can carry this many bytes of parameters. */
export const MAX_PARAM_BYTES = 512;

/** The shape of a bind group: shared by all pipelines with equal lists of bindings, so that bind groups are too. */
export interface Layout {
	readonly id: number;
	readonly bindings: readonly Access[];
	readonly group: GPUBindGroupLayout;
	readonly pipeline: GPUPipelineLayout;
}

export interface Pipeline {
	/** The kernel's name and its variant: the cache key, and the label in messages of the driver. */
	readonly key: string;
	readonly gpu: GPUComputePipeline;
	readonly layout: Layout;
	/** Set when the report of a failed compilation has arrived. */
	failure: Error | undefined;
	/** The last batch that used it, for eviction. */
	batch: number;
	/** Those of the kernel: shared by its variants. */
	readonly counters: KernelCounters;
}

/** What one kernel has done since the beginning. */
export interface KernelCounters {
	readonly kernel: string;
	launches: number;
	flops: number;
	bytes: number;
}

/** A kernel and a variant of it that will be needed. */
export interface PipelineRequest<V extends Variant = Variant> {
	readonly kernel: ShaderTemplate<V>;
	readonly variant: V;
}

/** `family.kernel{op=add, vec=4}`. */
export function pipelineKey(kernel: { readonly name: string }, variant: Variant): string {
	let key = kernel.name;
	let separator = '{';
	for (const name in variant) {
		key += separator + name + '=' + variant[name];
		separator = ', ';
	}
	return separator === '{' ? key : key + '}';
}

export class Pipelines {
	private readonly cache = new Map<string, Pipeline>();
	private readonly layouts = new Map<string, Layout>();
	readonly kernels = new Map<string, KernelCounters>();
	compiled = 0;
	/** Milliseconds of the host spent creating pipelines; drivers may go on after it, up to the first run. */
	compileMs = 0;

	constructor(
		private readonly device: GPUDevice,
		private readonly failures: Failures,
		/** Pipelines to keep; beyond it the least recently used quarter is dropped. */
		private readonly cap: number,
	) {}

	/** The pipeline of a kernel's variant, compiled now if it is not there. Throws when it is known not to compile. */
	get<V extends Variant>(kernel: ShaderTemplate<V>, variant: V): Pipeline {
		const key = pipelineKey(kernel, variant);
		const pipeline = this.cache.get(key) ?? this.compile(key, kernel, variant);
		if (pipeline.failure !== undefined) throw pipeline.failure;
		return pipeline;
	}

	/** Compiles what is missing of `requests`, all at once; resolves when all are there, rejects if one does not compile. */
	async warm(requests: Iterable<PipelineRequest>): Promise<void> {
		const wanted = new Map<string, PipelineRequest>();
		for (const request of requests) {
			const key = pipelineKey(request.kernel, request.variant);
			if (!this.cache.has(key)) wanted.set(key, request);
		}
		const start = performance.now();
		await Promise.all(Array.from(wanted, ([key, { kernel, variant }]) => this.compileAsync(key, kernel, variant)));
		this.compileMs += performance.now() - start;
	}

	private compile<V extends Variant>(key: string, kernel: ShaderTemplate<V>, variant: V): Pipeline {
		const start = performance.now();
		const source = kernel.source(variant);
		const layout = this.layoutFor(source.bindings);
		this.device.pushErrorScope('validation');
		const module = this.device.createShaderModule({ label: key, code: source.code });
		const gpu = this.device.createComputePipeline({ label: key, layout: layout.pipeline, compute: { module, entryPoint: 'main' } });
		const pipeline = this.keep(key, kernel.name, gpu, layout);
		this.failures.popScope(this.device, async (error) => {
			pipeline.failure = await explainCompilation(key, source, module, error.message);
			return pipeline.failure;
		});
		this.compileMs += performance.now() - start;
		return pipeline;
	}

	private async compileAsync<V extends Variant>(key: string, kernel: ShaderTemplate<V>, variant: V): Promise<void> {
		const source = kernel.source(variant);
		const layout = this.layoutFor(source.bindings);
		// The module's own error is the pipeline's too, which rejects: the scope only keeps it from being reported twice.
		this.device.pushErrorScope('validation');
		const module = this.device.createShaderModule({ label: key, code: source.code });
		this.device.popErrorScope().catch(() => {});
		let gpu: GPUComputePipeline;
		try {
			gpu = await this.device.createComputePipelineAsync({
				label: key,
				layout: layout.pipeline,
				compute: { module, entryPoint: 'main' },
			});
		} catch (error) {
			throw await explainCompilation(key, source, module, String(error));
		}
		// A launch may have needed it meanwhile.
		if (!this.cache.has(key)) this.keep(key, kernel.name, gpu, layout);
	}

	private keep(key: string, name: string, gpu: GPUComputePipeline, layout: Layout): Pipeline {
		if (this.cache.size >= this.cap) this.evict();
		let counters = this.kernels.get(name);
		if (counters === undefined) {
			counters = { kernel: name, launches: 0, flops: 0, bytes: 0 };
			this.kernels.set(name, counters);
		}
		const pipeline: Pipeline = { key, gpu, layout, counters, failure: undefined, batch: 0 };
		this.cache.set(key, pipeline);
		this.compiled++;
		return pipeline;
	}

	private evict(): void {
		const oldest = [...this.cache.values()].sort((a, b) => a.batch - b.batch).slice(0, Math.ceil(this.cap / 4));
		for (const pipeline of oldest) this.cache.delete(pipeline.key);
	}

	private layoutFor(bindings: readonly Access[]): Layout {
		const signature = bindings.join(',');
		let layout = this.layouts.get(signature);
		if (layout === undefined) {
			const entries: GPUBindGroupLayoutEntry[] = [
				{ binding: 0, visibility: SHADER_STAGE_COMPUTE, buffer: { type: 'uniform', hasDynamicOffset: true } },
			];
			for (const access of bindings) {
				const type = access === 'read' ? 'read-only-storage' : 'storage';
				entries.push({ binding: entries.length, visibility: SHADER_STAGE_COMPUTE, buffer: { type } });
			}
			const group = this.device.createBindGroupLayout({ label: signature, entries });
			const pipeline = this.device.createPipelineLayout({ label: signature, bindGroupLayouts: [group] });
			layout = { id: this.layouts.size, bindings, group, pipeline };
			this.layouts.set(signature, layout);
		}
		return layout;
	}
}

/** An error that names kernel and variant and shows the lines of WGSL that the compiler objects to. */
async function explainCompilation(key: string, source: ShaderSource, module: GPUShaderModule, message: string): Promise<Error> {
	const { messages } = await module.getCompilationInfo();
	const errors = messages.filter((entry) => entry.type === 'error');
	const lines = source.code.split('\n');
	const shown = errors.map((entry) => {
		const mark = ' '.repeat(Math.max(0, entry.linePos - 1)) + '^';
		return `  line ${entry.lineNum}: ${entry.message}\n    ${lines[entry.lineNum - 1] ?? ''}\n    ${mark}`;
	});
	return new DeviceError(`the shader ${key} does not compile:\n${shown.length > 0 ? shown.join('\n') : message}`);
}
