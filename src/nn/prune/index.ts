/** The namespace `nn.prune`: masks as `torch.nn.utils.prune`, a sparsity report, and the removal of pruned channels. */
export {
	customFromMask,
	type GlobalOptions,
	globalUnstructured,
	identity,
	isPruned,
	l1Unstructured,
	lnStructured,
	randomStructured,
	randomUnstructured,
	remove,
	type ScoreOptions,
} from './prune';
export { type ParameterSparsity, report, type SparsityReport } from './report';
export { type SlimCosts, type SlimmedLayer, type SlimReport, slim } from './slim';
