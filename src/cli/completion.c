#include "completion.h"

#include "command.h"
#include "commands.h"

static void put_option_names(FILE *out, const struct bf_option *options, size_t nr_options)
{
    for (size_t i = 0; i < nr_options; i++) {
        (void)fprintf(out, " --%s", options[i].name);
        if (options[i].letter)
            (void)fprintf(out, " -%c", options[i].letter);
    }
}

static const char *compgen_action(enum bf_argument_kind kind)
{
    switch (kind) {
    case BF_ARGUMENT_FILE:
        return "-f";
    case BF_ARGUMENT_FOLDER:
        return "-d";
    case BF_ARGUMENT_COMMAND:
        return "-c";
    case BF_ARGUMENT_NONE:
    case BF_ARGUMENT_TEXT:
        return "";
    }
    return "";
}

/* One branch of the inner `case` for every option that takes an argument. */
static void put_arguments(FILE *out, const struct bf_command *command)
{
    for (size_t i = 0; i < command->nr_options; i++) {
        const struct bf_option *option = &command->options[i];

        if (option->kind == BF_ARGUMENT_NONE)
            continue;
        (void)fprintf(out, "        %s:--%s", command->name, option->name);
        if (option->letter)
            (void)fprintf(out, "|%s:-%c", command->name, option->letter);
        (void)fprintf(out, ") action=%s want=argument ;;\n",
                      compgen_action(option->kind)[0] ? compgen_action(option->kind) : "''");
    }
}

static void put_command(FILE *out, const struct bf_command *command)
{
    const char *action = compgen_action(command->operand_kind);

    (void)fprintf(out, "        %s) operands=%s options='", command->name,
                  action[0] ? action : "''");
    put_option_names(out, command->options, command->nr_options);
    put_option_names(out, bf_common_options, BF_NR_COMMON_OPTIONS);
    (void)fputs("' ;;\n", out);
}

void bf_bash_completion(FILE *out)
{
    (void)fputs("# bash completion for bitferry; made by 'bitferry --bash-completion'\n"
                "_bitferry() {\n"
                "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}\n"
                "    local command='' word action='' want='' operands='' options=''\n"
                "    COMPREPLY=()\n"
                "    # --name=VALUE comes as three words, as '=' separates words.\n"
                "    if [[ $prev == '=' ]] && ((COMP_CWORD >= 2)); then\n"
                "        prev=${COMP_WORDS[COMP_CWORD - 2]}\n"
                "    elif [[ $cur == '=' ]]; then\n"
                "        cur=''\n"
                "    fi\n"
                "    for word in \"${COMP_WORDS[@]:1:COMP_CWORD - 1}\"; do\n"
                "        [[ $word == -* ]] || { command=$word; break; }\n"
                "    done\n"
                "    case $command in\n"
                "        '')\n"
                "            mapfile -t COMPREPLY < <(compgen -W '",
                out);
    for (size_t i = 0; bf_commands[i]; i++)
        (void)fprintf(out, "%s ", bf_commands[i]->name);
    (void)fputs("--version -V", out);
    put_option_names(out, bf_common_options, BF_NR_COMMON_OPTIONS);
    (void)fputs("' -- \"$cur\")\n            return ;;\n", out);
    for (size_t i = 0; bf_commands[i]; i++)
        put_command(out, bf_commands[i]);
    (void)fputs("    esac\n    case $command:$prev in\n", out);
    for (size_t i = 0; bf_commands[i]; i++)
        put_arguments(out, bf_commands[i]);
    (void)fputs("    esac\n"
                "    if [[ $want == '' && $cur == -* ]]; then\n"
                "        mapfile -t COMPREPLY < <(compgen -W \"$options\" -- \"$cur\")\n"
                "        return\n"
                "    fi\n"
                "    [[ $want == argument ]] || action=$operands\n"
                "    [[ $action == '' ]] && return\n"
                "    [[ $action == -c ]] || compopt -o filenames 2>/dev/null\n"
                "    mapfile -t COMPREPLY < <(compgen \"$action\" -- \"$cur\")\n"
                "}\n"
                "complete -F _bitferry bitferry\n",
                out);
}
