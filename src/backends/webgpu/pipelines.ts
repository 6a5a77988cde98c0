/**
 * Compute pipelines, in a cache with a cap. Each kernel and variant compiles once; shapes never cause a compilation.
 *
 * All compile asynchronously, on as many threads as the implementation has. A launch does not wait for its pipeline:
 * it queues up on the host together with what follows (see commands.ts), so the first step of a program requests all its
 * pipelines at once. A shader that does not compile throws at the next read or sync, and at every later launch of it.
 */
import type { Access, Kernel, ShaderSource, Variant } from '../../../shaders/shader';
import { ArgumentError, DeviceError } from '../../core/errors';
import { type AsyncErrors, lossNotice } from './asyncErrors';
import { SHADER_STAGE_COMPUTE } from './device';
import { SLOT_WORDS } from './parameters';
import type { PollBackoff } from './pollBackoff';
import type { KernelCounters } from './statistics';
import type { Timeline } from './timeline';

/** The layout of a bind group. Pipelines with equal lists of bindings share it, and so share bind groups. */
export interface Layout {
	readonly id: number;
	readonly bindings: readonly Access[];
	readonly group: GPUBindGroupLayout;
	readonly pipeline: GPUPipelineLayout;
}

export interface Pipeline {
	/** The kernel's name and its variant: the cache key, and the label in driver messages. */
	readonly key: string;
	readonly layout: Layout;
	/** The names of the bindings. */
	readonly names: readonly string[];
	readonly module: GPUShaderModule;
	/** Undefined until it is compiled. */
	gpu: GPUComputePipeline | undefined;
	/** Set if the shader does not compile. */
	failure: Error | undefined;
	/** Resolves when the pipeline is compiled or has failed; never rejects. */
	readonly settled: Promise<void>;
	/** The last batch that used it, for eviction. */
	batch: number;
	/** The kernel's counters, which all its variants share. */
	readonly counters: KernelCounters;
}

/** A kernel and a variant of it to compile. */
export interface PipelineRequest<V extends Variant = Variant> {
	readonly kernel: Kernel<V>;
	readonly variant: V;
}

/** `family.kernel{op=add, vec=4}`. */
function pipelineKey(kernel: { readonly name: string }, variant: Variant): string {
	let key = kernel.name;
	let separator = '{';
	for (const name in variant) {
		key += `${separator}${name}=${variant[name]}`;
		separator = ', ';
	}
	return separator === '{' ? key : `${key}}`;
}

export class Pipelines {
	private readonly cache = new Map<string, Pipeline>();
	private readonly layouts = new Map<string, Layout>();
	readonly kernels = new Map<string, KernelCounters>();
	compiled = 0;
	/** Milliseconds during which at least one pipeline compiled. Drivers may continue until the first run. */
	compileMs = 0;
	/** How many compile now. */
	compiling = 0;
	private compilingSince = 0;
	/** Set while profiling. */
	timeline: Timeline | undefined;

	constructor(
		private readonly device: GPUDevice,
		private readonly asyncErrors: AsyncErrors,
		private readonly backoff: PollBackoff,
		/** Pipelines to keep. Beyond this the least recently used quarter is dropped. */
		private readonly cap: number,
		/** Called whenever a pipeline is compiled or has failed. */
		private readonly onSettled: () => void,
		/** Receives the source of every new pipeline. */
		private readonly onSource?: (key: string, code: string) => void,
	) {}

	/** The pipeline of a kernel's variant; a new one starts to compile. Throws if the variant is known not to compile. */
	get(kernel: Kernel, variant: Variant): Pipeline {
		const key = pipelineKey(kernel, variant);
		const pipeline = this.cache.get(key) ?? this.create(key, kernel, variant);
		if (pipeline.failure !== undefined) throw pipeline.failure;
		return pipeline;
	}

	/** Compiles the missing pipelines of `requests`. Resolves when all are compiled; rejects if one does not compile. */
	async warm(requests: Iterable<PipelineRequest>): Promise<void> {
		const mark = this.asyncErrors.mark();
		await Promise.all(Array.from(requests, ({ kernel, variant }) => this.get(kernel, variant).settled));
		await this.asyncErrors.check(mark);
	}

	/** Resolves when no pipeline compiles any more. */
	async quiet(): Promise<void> {
		await Promise.all([...this.cache.values()].map(({ settled }) => settled));
	}

	private create(key: string, kernel: Kernel, variant: Variant): Pipeline {
		if (this.cache.size >= this.cap) this.evict();
		let counters = this.kernels.get(kernel.name);
		if (counters === undefined) {
			counters = { kernel: kernel.name, launches: 0, flops: 0, bytes: 0 };
			this.kernels.set(kernel.name, counters);
		}
		const { words } = kernel.layout;
		if (words > SLOT_WORDS) throw new ArgumentError(`${key}: ${words} parameter words; a launch carries ${SLOT_WORDS}`);
		const source = kernel.source(variant);
		this.onSource?.(key, source.code);
		const layout = this.layoutFor(source.bindings);
		// An error of the module also makes the pipeline reject; this scope keeps it from being reported twice.
		this.device.pushErrorScope('validation');
		const module = this.device.createShaderModule({ label: key, code: source.code });
		this.device.popErrorScope().catch(() => {});
		const compilation = this.backoff.during(this.compile(key, source, layout, module));
		const settled = compilation
			.then(
				(gpu) => {
					pipeline.gpu = gpu;
				},
				(failure: Error) => {
					pipeline.failure = failure;
					if (kernel.isOptional) console.warn(`wgrad: ${failure.message}\nThis is slower, not wrong; please report it`);
					else this.asyncErrors.note(failure);
				},
			)
			.then(() => this.onSettled());
		const { names } = source;
		const pipeline: Pipeline = { key, layout, names, module, counters, settled, gpu: undefined, failure: undefined, batch: 0 };
		this.cache.set(key, pipeline);
		this.compiled++;
		return pipeline;
	}

	/** Compiles a pending pipeline synchronously. If it does not compile, the asynchronous attempt reports that. */
	compileNow(pipeline: Pipeline): void {
		if (pipeline.gpu !== undefined || pipeline.failure !== undefined) return;
		this.device.pushErrorScope('validation');
		pipeline.gpu = this.device.createComputePipeline(descriptor(pipeline.key, pipeline.layout, pipeline.module));
		this.device.popErrorScope().catch(() => {});
	}

	private async compile(key: string, source: ShaderSource, layout: Layout, module: GPUShaderModule): Promise<GPUComputePipeline> {
		const start = performance.now();
		if (this.compiling++ === 0) this.compilingSince = start;
		try {
			return await this.device.createComputePipelineAsync(descriptor(key, layout, module));
		} catch (error) {
			// If the device is lost, that error is reported instead of this one.
			if ((error as Partial<GPUPipelineError>).reason !== 'validation') await lossNotice(this.device);
			throw await explainCompilation(key, source, module, error);
		} finally {
			if (--this.compiling === 0) this.compileMs += performance.now() - this.compilingSince;
			this.timeline?.waited(`compile ${key}`, start);
		}
	}

	private evict(): void {
		const oldest = [...this.cache.values()]
			.filter((pipeline) => pipeline.gpu !== undefined)
			.sort((a, b) => a.batch - b.batch)
			.slice(0, Math.ceil(this.cap / 4));
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

function descriptor(label: string, layout: Layout, module: GPUShaderModule): GPUComputePipelineDescriptor {
	return { label, layout: layout.pipeline, compute: { module, entryPoint: 'main' } };
}

/** The place of a line: in a part that a user wrote, or in the whole source. */
function placeOf(line: number, { code, written = {} }: ShaderSource): string {
	for (const [name, text] of Object.entries(written)) {
		const start = text === '' ? -1 : code.indexOf(text);
		if (start < 0) continue;
		const own = line - code.slice(0, start).split('\n').length + 1;
		if (own >= 1 && own <= text.split('\n').length) return `${name}, line ${own}`;
	}
	return `line ${line}`;
}

/** An error that names the kernel and variant and shows the lines of WGSL that the compiler rejects. */
async function explainCompilation(key: string, source: ShaderSource, module: GPUShaderModule, cause: unknown): Promise<Error> {
	const { messages } = await module.getCompilationInfo();
	const errors = messages.filter((entry) => entry.type === 'error');
	const lines = source.code.split('\n');
	const shown = errors.map((entry) => {
		const mark = '^'.padStart(entry.linePos);
		return `  ${placeOf(entry.lineNum, source)}: ${entry.message}\n    ${lines[entry.lineNum - 1] ?? ''}\n    ${mark}`;
	});
	return new DeviceError(`the shader ${key} does not compile:\n${shown.length > 0 ? shown.join('\n') : String(cause)}`, {
		cause,
	});
}
