/** `wgrad/models` in Node: all of `index.ts`; names may be paths of folders, and `savePretrained` writes one. */
import { mkdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import '../io/node';
import { withFileErrors } from '../core/fileError';
import { setFolders } from './folder';
import type { PretrainedModel } from './hubModule';
import { pretrainedFiles } from './pretrained';

export * from './index';

const kind = (path: string) => stat(path).catch(() => null);
setFolders({
	isFolder: async (path) => (await kind(path))?.isDirectory() ?? false,
	isFile: async (path) => (await kind(path))?.isFile() ?? false,
});

/** Writes `config.json` and `model.safetensors` into `folder`, which `fromPretrained`, Hugging Face's libraries and PyTorch read. */
export async function savePretrained(model: PretrainedModel, folder: string): Promise<void> {
	const files = await pretrainedFiles(model);
	await withFileErrors('savePretrained', 'write', folder, async () => {
		await mkdir(folder, { recursive: true });
		for (const [name, bytes] of Object.entries(files)) await writeFile(join(folder, name), bytes);
	});
}
