/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What every object includes, in the order in which it builds on each other. */
#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>
#include "kernel.h"
#include "event.h"
#include "emit.h"
#include "path.h"
#include "file.h"
#include "task.h"
