/** Arguments of the wrong kind, which only untyped programs can pass: each call throws one of the library's errors or works. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import * as data from 'wgrad/data';
import { WgradError } from '../../src/core/errors';

const dataset = new data.ArrayDataset({ data: [1, 2, 3] });
const vocabulary = data.CharVocabulary.of('ab');

const calls: Readonly<Record<string, (wrong: never) => unknown>> = {
	ArrayDataset: (wrong) => new data.ArrayDataset(wrong),
	'ArrayDataset.batch': (wrong) => dataset.batch(wrong),
	BatchSampler: (wrong) => new data.BatchSampler(wrong, 1),
	CharVocabulary: (wrong) => new data.CharVocabulary(wrong),
	'CharVocabulary.of': (wrong) => data.CharVocabulary.of(wrong),
	'CharVocabulary.encode': (wrong) => vocabulary.encode(wrong),
	'CharVocabulary.decode': (wrong) => vocabulary.decode(wrong),
	ConcatDataset: (wrong) => new data.ConcatDataset(wrong),
	'DataLoader, seed': (wrong) => new data.DataLoader(dataset, { seed: wrong }),
	'DataLoader.loadStateDict': (wrong) => new data.DataLoader(dataset).loadStateDict(wrong),
	ImageFolder: (wrong) => new data.ImageFolder(wrong),
	IterableDataset: (wrong) => new data.IterableDataset(wrong),
	KFold: (wrong) => new data.KFold(2).split(wrong),
	MapDataset: (wrong) => new data.MapDataset(dataset, wrong),
	SequentialSampler: (wrong) => new data.SequentialSampler(wrong),
	StratifiedKFold: (wrong) => new data.StratifiedKFold(2).split(wrong),
	Subset: (wrong) => new data.Subset(dataset, wrong),
	'Subset.batch': (wrong) => new data.Subset(dataset, [0]).batch(wrong),
	SubsetRandomSampler: (wrong) => new data.SubsetRandomSampler(wrong),
	TensorDataset: (wrong) => new data.TensorDataset(wrong),
	TokenWindows: (wrong) => new data.TokenWindows(wrong, 3),
	WeightedRandomSampler: (wrong) => new data.WeightedRandomSampler(wrong, 2),
	balancedWeights: (wrong) => data.balancedWeights(wrong),
	decodeImage: (wrong) => data.decodeImage(wrong),
	'decodeImage, size': (wrong) => data.decodeImage(new Uint8Array(3), { size: wrong }),
	defaultCollate: (wrong) => data.defaultCollate(wrong),
	encodePng: (wrong) => data.encodePng(wrong),
	filesFromDrop: (wrong) => data.filesFromDrop(wrong),
	imageGrid: (wrong) => data.imageGrid(wrong),
	imageTensor: (wrong) => data.imageTensor(wrong),
	parseCifar10: (wrong) => data.parseCifar10(wrong),
	parseCsv: (wrong) => data.parseCsv(wrong),
	'parseCsv, columns': (wrong) => data.parseCsv('a\n1', { columns: wrong }),
	'parseCsv, header': (wrong) => data.parseCsv('a\n1', { header: wrong }),
	'parseCsv, missing': (wrong) => data.parseCsv('a\n1', { missing: wrong }),
	parseIdx: (wrong) => data.parseIdx(wrong),
	randomSplit: (wrong) => data.randomSplit(dataset, wrong),
	readImageFolder: (wrong) => (typeof wrong === 'string' ? null : data.readImageFolder(wrong)),
	splitTokens: (wrong) => data.splitTokens(wrong),
	'trainTestSplit, stratify': (wrong) => data.trainTestSplit(dataset, { stratify: wrong }),
};

for (const [name, call] of Object.entries(calls)) {
	test(name, async () => {
		for (const wrong of [null, undefined, 3, 'x', {}, [null], [Number.NaN]]) {
			try {
				await call(wrong as never);
			} catch (error) {
				assert.ok(error instanceof WgradError, `${name}(${JSON.stringify(wrong)}): ${String(error)}`);
			}
		}
	});
}

test.run();
