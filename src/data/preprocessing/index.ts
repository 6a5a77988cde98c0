/** Preprocessing of tables, with scikit-learn's definitions and names. */
export {
	type Category,
	type CategoryRows,
	LabelEncoder,
	type LabelEncoderState,
	OneHotEncoder,
	type OneHotEncoderOptions,
	type OneHotEncoderState,
} from './encoding';
export { type ImputeStrategy, SimpleImputer, type SimpleImputerOptions, type SimpleImputerState } from './imputing';
export { type IqrOptions, OutlierBounds, outliersIqr, outliersZScore, type ZScoreOptions } from './outliers';
export {
	MinMaxScaler,
	type MinMaxScalerOptions,
	type MinMaxScalerState,
	StandardScaler,
	type StandardScalerOptions,
	type StandardScalerState,
} from './scaling';
