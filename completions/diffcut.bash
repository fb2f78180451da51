# Bash completion for diffcut: commands, each command's options, the words an option takes, files.
# The lists are checked against `diffcut COMMAND --help` by tests/cli/completion.sh.

_diffcut() {
    local cur prev command='' word i
    cur=${COMP_WORDS[COMP_CWORD]}
    prev=${COMP_WORDS[COMP_CWORD - 1]}
    COMPREPLY=()

    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        case $word in
            segment | features | cut | refine | model | bench)
                command=$word
                break
                ;;
            *)
                command=segment
                break
                ;;
        esac
    done

    # The argument of the option before.
    case $prev in
        --resample) mapfile -t COMPREPLY < <(compgen -W 'antialias bilinear' -- "$cur") && return ;;
        --eigen) mapfile -t COMPREPLY < <(compgen -W 'auto dense' -- "$cur") && return ;;
        --backend) mapfile -t COMPREPLY < <(compgen -W 'cpu ref' -- "$cur") && return ;;
        --precision) mapfile -t COMPREPLY < <(compgen -W 'auto f32 bf16' -- "$cur") && return ;;
        --outputs)
            mapfile -t COMPREPLY < <(compgen -W 'labels overlay json coco npy features' -- "$cur")
            return
            ;;
        --model | -m | --dump) mapfile -t COMPREPLY < <(compgen -d -- "$cur") && return ;;
        --output | -o)
            if [[ $command == segment ]]; then
                mapfile -t COMPREPLY < <(compgen -d -- "$cur")
            else
                mapfile -t COMPREPLY < <(compgen -f -- "$cur")
            fi
            return
            ;;
        --files-from | --image | -i) mapfile -t COMPREPLY < <(compgen -f -- "$cur") && return ;;
        --size) mapfile -t COMPREPLY < <(compgen -W 'native' -- "$cur") && return ;;
        --tau | -t | --alpha | --min-tokens | --timestep | --seed | --hook | --iterations | --dilations | --median | \
            --refine-size | --opacity | --threads | -T | --max-pixels | --synthetic | --repeat | -n)
            return
            ;;
    esac

    if [[ $command == model && ${COMP_WORDS[COMP_CWORD - 1]} == model ]]; then
        mapfile -t COMPREPLY < <(compgen -W 'info' -- "$cur")
        return
    fi

    if [[ $cur == -* ]]; then
        local says='--quiet --verbose --help'
        local input='--size --square --resample --max-pixels'
        local features='--timestep --seed --hook'
        local cut='--tau --alpha --min-tokens --reference --eigen'
        local refinement='--iterations --dilations --median --refine-size'
        local options
        case $command in
            segment)
                options="--files-from --null --output --outputs --coco --npy --features-npy --opacity --no-boundaries
                    --full-names --force --dump --json $input $features $cut --refine --no-refine $refinement
                    --model --backend --precision --threads $says"
                ;;
            features) options="--output --force $input $features --model --backend --precision --threads $says" ;;
            cut) options="--output --image --force --max-pixels $cut --threads $says" ;;
            refine) options="--output --force --max-pixels $refinement --threads $says" ;;
            model) options="--json --backend --precision $says" ;;
            bench)
                options="--synthetic --repeat --json $input $features $cut --refine --no-refine $refinement --model
                    --backend --precision --threads $says"
                ;;
            *) options='--help --version' ;;
        esac
        mapfile -t COMPREPLY < <(compgen -W "$options" -- "$cur")
        return
    fi

    mapfile -t COMPREPLY < <(compgen -f -- "$cur")
    if [[ -z $command ]]; then
        local commands
        mapfile -t commands < <(compgen -W 'segment features cut refine model bench' -- "$cur")
        COMPREPLY+=("${commands[@]}")
    fi
}

complete -o filenames -F _diffcut diffcut
