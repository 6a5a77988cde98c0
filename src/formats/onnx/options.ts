/** The options of `loadOnnx`. */
import type { DeviceName } from '../../backends/contract';
import type { Source } from '../../data/sources';
import type { OpenOptions } from '../../io/options';

export interface LoadOnnxOptions extends OpenOptions {
	/** The device of the parameters. Default: the default device. */
	readonly device?: DeviceName;
	/** The dtype of float16 and bfloat16 tensors: 'auto' keeps that of the file. Default 'float32'. */
	readonly dtype?: 'auto' | 'float32';
	/** The files of tensors outside the model, by the names that it has for them. Default: the files beside a path or URL. */
	readonly externalData?: Readonly<Record<string, Source>>;
}
