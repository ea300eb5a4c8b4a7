/* SPDX-License-Identifier: Apache-2.0 */
#include "fit/model.h"

weir_status w_model_name_family(weir_model *model, const w_glm *glm)
{
    char exact[W_FAMILY_TEXT], label[W_FAMILY_TEXT], link[W_FAMILY_TEXT];
    w_glm fixed = *glm; /* what was estimated is known now */
    for (int i = 0; i < W_FAMILY_PARAMS; i++) {
        fixed.estimate[i] = false;
    }
    w_family_text(&fixed, exact, sizeof exact);
    w_family_label(&fixed, label, sizeof label);
    w_family_link_label(&fixed, link, sizeof link);
    model->glm = fixed;
    model->family = w_arena_strdup(&model->arena, exact);
    model->summary.family = w_arena_strdup(&model->arena, label);
    model->link = model->summary.link = w_arena_strdup(&model->arena, link);
    weir_family_parameter *parameter = w_arena_calloc(&model->arena, W_FAMILY_PARAMS, sizeof *parameter);
    for (int i = 0; parameter && i < glm->family->param_count; i++) {
        parameter[i] = (weir_family_parameter){ glm->family->param_name[i], glm->param[i], glm->estimate[i] };
    }
    model->summary.family_parameter = parameter;
    model->summary.family_parameter_count = glm->family->param_count;
    return parameter && model->family && model->summary.family && model->link ? WEIR_OK : w_alloc_status(model->ctx);
}
