/** The guides of docs/, in the order of the site's navigation. A test checks that none is missing. */
export const GUIDES = [
	{
		text: 'Begin',
		pages: ['guide', 'first-model', 'tensors', 'data', 'training', 'saving', 'from-pytorch', 'from-keras', 'from-tfjs'],
	},
	{
		text: 'Go deeper',
		pages: ['autograd', 'kernels', 'interpret', 'images', 'recurrent', 'fine-tuning', 'quantization', 'pruning'],
	},
	{ text: 'Trained models', pages: ['models', 'formats', 'keras', 'onnx', 'inference'] },
	{ text: 'Speed', pages: ['speed', 'compile', 'distributed', 'mixed-precision', 'tuning', 'bundles'] },
	{ text: 'Trouble', pages: ['debugging', 'inspecting', 'reliability', 'platforms'] },
	{ text: 'Reference', pages: ['operations', 'examples', 'how-it-works', 'design'] },
];

/** Pages of the repository's root, which the site shows too: the name on the site, and the file. */
export const FURTHER = { contributing: 'CONTRIBUTING.md', changelog: 'CHANGELOG.md' };
