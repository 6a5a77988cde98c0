/** The models of models.json, with the files that Hugging Face's libraries would have written for them. */
import { io, type Tensor, tensor } from 'wgrad';
import golden from './models.json';

export interface Golden {
	readonly config: Readonly<Record<string, unknown>>;
	/** The shapes of the file's tensors by key. */
	readonly shapes: Readonly<Record<string, readonly number[]>>;
	/** PyTorch's output for `inputsOf`. */
	readonly shape: readonly number[];
	readonly output: readonly number[];
	/** The likeliest tokens after each of PROMPTS. */
	readonly greedy?: readonly (readonly number[])[];
}

export const GOLDEN: Readonly<Record<string, Golden>> = golden as unknown as Record<string, Golden>;

export const PROMPTS = [
	[3, 1, 4, 1, 5],
	[2, 7],
];

/** The weights of a key: the formula of generate.py. */
export function fill(key: string, shape: readonly number[]): Float32Array {
	const count = shape.reduce((product, size) => product * size, 1);
	if (key.endsWith('num_batches_tracked')) return Float32Array.of(3);
	const seed = Array.from(key).reduce((sum, c, i) => sum + (i + 1) * c.charCodeAt(0), 0) % 1000;
	const scale = Math.sqrt(3 / (count / (shape[0] ?? 1)));
	return Float32Array.from({ length: count }, (_, i) => {
		const wave = Math.sin(1.7 * i + seed) * Math.cos(((0.3 * i * i) % 100) + seed);
		if (key.endsWith('running_var')) return 1 + 0.5 * wave;
		if (shape.length === 1) return key.endsWith('weight') ? 1 + 0.3 * wave : 0.2 * wave;
		return wave * scale;
	});
}

/** Two sounds of 3000 samples. */
export const SPEECH = fill('speech', [2, 3000]).map((value) => 30 * value);

export function inputsOf({ config }: Golden): Tensor[] {
	const text = [
		[3, 1, 4, 1, 5, 9, 2, 6, 5],
		[2, 7, 1, 8, 2, 8, 1, 8, 2],
	];
	const int = (rows: readonly (readonly number[])[]) => tensor(Int32Array.from(rows.flat()), { shape: [2, 9] });
	const kind = String(config.model_type);
	if (kind === 'bert' || kind === 'distilbert') {
		return [
			int(text),
			int([
				[1, 1, 1, 1, 1, 1, 1, 1, 1],
				[1, 1, 1, 1, 1, 1, 0, 0, 0],
			]),
		];
	}
	if (['gpt2', 'llama', 'mistral', 'qwen2'].includes(kind)) return [int(text)];
	if (kind === 'whisper') return [tensor(SPEECH, { shape: [2, 3000] }), int(text)];
	const isUnet = config._class_name === 'UNet2DModel';
	const size = kind === 'vit' || isUnet ? 8 : 33;
	const shape = [2, 3, size, size];
	const images = tensor(
		fill('images', shape).map((value) => 3 * value),
		{ shape },
	);
	return isUnet ? [images, tensor([3, 250])] : [images];
}

/** The tensors of a file by key. */
export function stateOf({ shapes }: Golden, rename = (key: string) => key): Record<string, Tensor> {
	const entries = Object.entries(shapes).map(([key, shape]) => [rename(key), tensor(fill(key, shape), { shape, device: 'cpu' })]);
	return Object.fromEntries(entries) as Record<string, Tensor>;
}

const json = (name: string, value: unknown) => new File([JSON.stringify(value)], name);

/** The files of a model. With `parts`, in several, with an index. */
export async function filesOf(model: Golden, { parts = 1, rename = (key: string) => key } = {}): Promise<File[]> {
	const state = Object.entries(stateOf(model, rename));
	const base = model.config._class_name === 'UNet2DModel' ? 'diffusion_pytorch_model' : 'model';
	const names = Array.from({ length: parts }, (_, i) =>
		parts === 1 ? `${base}.safetensors` : `${base}-${i + 1}-of-${parts}.safetensors`,
	);
	const files = await Promise.all(
		names.map(async (name, part) => {
			const own = Object.fromEntries(state.filter((_, i) => i % parts === part));
			return new File([(await io.saveSafetensors(own)) as Uint8Array<ArrayBuffer>], name);
		}),
	);
	const weightMap = Object.fromEntries(state.map(([key], i) => [key, names[i % parts]]));
	const index = parts === 1 ? [] : [json(`${base}.safetensors.index.json`, { metadata: {}, weight_map: weightMap })];
	return [json('config.json', model.config), ...index, ...files];
}
