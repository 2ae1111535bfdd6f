// Texts of VM templates, resource pools and leases, for which pages of anything else do not wait.
import { templates as en } from "./templates.en.ts";
import { templates as pl } from "./templates.pl.ts";
import { extend } from "./translate.ts";

extend({ en, pl });
