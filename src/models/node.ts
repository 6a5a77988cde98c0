/** `wgrad/models` in Node: all of `index.ts`; names may be paths of folders, and `savePretrained` writes one. */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import '../io/node';
import { checkOptions } from '../core/options';
import { writeWhole } from '../data/node/disk';
import { save } from '../io/save';
import { setFolders } from './folder';
import { configFiles, FILE_METADATA, fileState, modelOf, type Saved } from './pretrained';

export * from './index';

const kind = (path: string) => stat(path).catch(() => null);
setFolders({
	isFolder: async (path) => (await kind(path))?.isDirectory() ?? false,
	isFile: async (path) => (await kind(path))?.isFile() ?? false,
});

export interface SavePretrainedOptions {
	/** See `io.save`. Default '5GB'. */
	readonly maxShardSize?: number | string;
}

/**
 * Writes `config.json` and `model.safetensors`, or its shards, into `folder`, which `fromPretrained`, Hugging Face's libraries and PyTorch read. Of what
 * `fromPretrained` returned, also the tokenizer.
 */
export async function savePretrained(saved: Saved, folder: string, options: SavePretrainedOptions = {}): Promise<void> {
	const { maxShardSize = '5GB' } = checkOptions('savePretrained', options, ['maxShardSize']);
	const model = modelOf(saved);
	for (const [name, bytes] of Object.entries(configFiles(saved))) await writeWhole('savePretrained', join(folder, name), bytes);
	await save(fileState(model), join(folder, model.weightsName), { maxShardSize, metadata: FILE_METADATA });
}
