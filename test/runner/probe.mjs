/** Tells test/run.mjs which adapter a driver gives, in a process of its own because drivers may crash. */
import { chooseDriver, probeAdapter } from '../../adapters/driver.mjs';

if (process.env.VK_DRIVER_FILES !== undefined) await chooseDriver(process.env.VK_DRIVER_FILES);
const info = await probeAdapter();
process.send?.({ name: info === null ? null : info.description || info.device || info.vendor });
